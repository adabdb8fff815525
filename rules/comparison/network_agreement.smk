"""Networks beside circuits and localized units; figures.

results/{model}/networks/agreement.csv            IoU, written shares and depth against permutations
results/{model}/networks/agreement_layers.csv     each map's share of units by layer
results/figures/networks_{editing,connectivity,agreement}.{model}.*
results/figures/networks_across.*                 how networks of two models go together
Config: networks, selection.main, localizer
"""

# Circuits of attention heads are no neurons.
MAPPED_TASKS = TASKS if DATASETS and "neurons" in COMPONENTS else []
NETWORK_USE_FIGURES = ("editing", "connectivity", "agreement")


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
        collect(
            "results/figures/networks_{name}.{model}{ending}",
            name=NETWORK_USE_FIGURES,
            model=NETWORK_MODELS,
            ending=FORMATS,
        ),
        ["results/statistics/fingerprint.csv"] if FINGERPRINTED else [],
        collect("results/figures/networks_across{ending}", ending=FORMATS if FINGERPRINTED else []),


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


rule network_figures:
    input:
        editing="results/{model}/networks/editing.csv",
        connectivity="results/{model}/networks/connectivity.csv",
        agreement="results/{model}/networks/agreement.csv",
        layers="results/{model}/networks/agreement_layers.csv",
    output:
        collect(
            "results/figures/networks_{name}.{{model}}{ending}",
            name=NETWORK_USE_FIGURES,
            ending=FORMATS,
        ),
    log:
        "logs/figures/networks.{model}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        figures=NETWORK_USE_FIGURES,
        method=METHODS["figures"],
    message:
        "{wildcards.model}: drawing what its networks do"
    script:
        "../../workflow/scripts/network_figures.py"


rule networks_across:
    input:
        "results/statistics/network_connectivity.csv",
    output:
        collect("results/figures/networks_across{ending}", ending=FORMATS),
    log:
        "logs/figures/networks_across.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        method=METHODS["figures"],
    message:
        "Drawing how networks of different models go together"
    script:
        "../../workflow/scripts/networks_across.py"
