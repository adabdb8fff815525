"""Networks beside circuits and localized units.

results/{model}/networks/agreement.csv            IoU, written shares and depth against permutations
results/{model}/networks/agreement_layers.csv     each map's share of units by layer
Config: networks, selection.main, localizer
"""

# Circuits of attention heads are no neurons.
MAPPED_TASKS = TASKS if DATASETS and "neurons" in COMPONENTS else []


rule network_uses:
    """All that is done with the networks of every model."""
    input:
        collect(
            "results/{model}/networks/{name}.csv",
            model=NETWORK_MODELS,
            name=("editing", "probing", "connectivity", "agreement"),
        ),
        collect(
            "results/{model}/networks/interpretation/{name}.html",
            model=NETWORK_MODELS,
            name=(*INTERPRETATIONS, "corrected"),
        ),
        workspace.figure_files("network_figures", "networks_across"),
        ["results/statistics/fingerprint.csv"] if FINGERPRINTED else [],


rule networks:
    """Every model's networks, and all that is done with them."""
    input:
        rules.network_maps.input,
        rules.network_uses.input,
    localrule: True
    message:
        "All networks are complete" if DATASETS else "No networks: networks.datasets names no texts"


rule network_agreement:
    input:
        unpack(workspace.used_networks),
        settings="results/{model}/.store/network_agreement.settings.json",
        manifest="results/{model}/.store/network_use.json",
        localizer_manifest="results/{model}/.store/localizer.json",
        masks=collect(
            f"results/{{{{model}}}}/masks/neurons/{MAIN_SELECTION}/{{task}}.csv", task=MAPPED_TASKS
        ),
    output:
        output="results/{model}/networks/agreement.csv",
        shares_output="results/{model}/networks/agreement_layers.csv",
    log:
        "logs/{model}/network_agreement.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=MAPPED_TASKS,
        datasets=DATASETS,
    message:
        "{wildcards.model}: networks beside circuits and localized units"
    script:
        "../../workflow/scripts/job.py"
