"""Figures of localized networks, and what circuits write on them.

results/{model}/localizer/{network}/circuits.csv               written shares of each task's circuit
results/figures/localizer_{depth,selectivity,overlap,lesion,circuits}.*
Config: localizer, selection.main
"""

LOCALIZER_FIGURES = ("depth", "selectivity", "overlap", "lesion", "circuits") if NETWORKS else ()
# Circuits of attention heads have no write vectors of their own.
WRITING_MODELS = MODELS if "neurons" in COMPONENTS else []


rule written:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/lesion.settings.json",
        localizer_manifest="results/{model}/.store/localizer.json",
        manifest="results/{model}/.store/lesion.json",
        masks=collect(
            f"results/{{{{model}}}}/masks/neurons/{MAIN_SELECTION}/{{task}}.csv", task=TASKS
        ),
    output:
        output="results/{model}/localizer/{network}/circuits.csv",
    log:
        "logs/{model}/localizer/{network}.circuits.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        method=METHODS["written"],
    message:
        "{wildcards.model}: what circuits write on {wildcards.network}"
    script:
        "../../workflow/scripts/job.py"


rule localizer_figures:
    input:
        selectivity=collect(
            "results/{model}/localizer/{network}/selectivity.safetensors",
            model=MODELS,
            network=NETWORKS,
        ),
        lesions=collect(
            "results/{model}/localizer/{network}/lesion.csv", model=MODELS, network=NETWORKS
        ),
        written=collect(
            "results/{model}/localizer/{network}/circuits.csv",
            model=WRITING_MODELS,
            network=NETWORKS,
        ),
    output:
        collect("results/figures/localizer_{name}{ending}", name=LOCALIZER_FIGURES, ending=FORMATS),
    log:
        "logs/figures/localizer.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        figures=LOCALIZER_FIGURES,
        models=MODELS,
        writing=WRITING_MODELS,
        networks=NETWORKS,
        controls=list(study.controls),
        selection=UNIT_SELECTIONS[0],
        method=METHODS["figures"],
    message:
        "Drawing the localized networks"
    script:
        "../../workflow/scripts/localizer_figures.py"
