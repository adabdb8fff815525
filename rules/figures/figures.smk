"""Figures of the whole study, and the list of all. Each figure is a PNG and a PDF with its data beside it.

results/figures/accuracy_heatmap.*                     both-correct accuracy, models x tasks
results/figures/composition.{component}.*              where in the models the domains' units are
results/figures/{figure}.{component}.*                 domains, consistency, robustness, confounds, structure_function
"""

STUDY_FIGURES = (
    "domains_overlap",
    "domains_ablation",
    "consistency_overlap",
    "consistency_ablation",
    "robustness",
    "confounds",
    "structure_function",
)


# Overlaps that were taken over, of the main size: they say which tasks a model has.
IMPORTED_MAIN = [
    one
    for one in INVENTORY.overlaps
    if one.model in IMPORTED and (one.component, one.sel) == (COMPONENTS[0], MAIN_SELECTION)
]
# Every figure of the study, by name.
FIGURES = [
    "accuracy_heatmap",
    *collect("{figure}.{component}", figure=("composition", *STUDY_FIGURES), component=COMPONENTS),
    *collect("localizer_{name}", name=LOCALIZER_FIGURES if MODELS else []),
    *collect(
        "networks_{name}.{model}",
        name=(*NETWORK_MAP_FIGURES, *NETWORK_USE_FIGURES),
        model=NETWORK_MODELS,
    ),
    *(["networks_across"] if FINGERPRINTED else []),
    *workspace.figures,
]


rule figures:
    """All figures."""
    input:
        collect("results/figures/{figure}{ending}", figure=FIGURES, ending=FORMATS),


rule accuracy_heatmap:
    input:
        baselines=collect("results/{model}/baseline/{task}.json", model=MODELS, task=TASKS),
        imported=collect("results/{model}/accuracy.csv", model=IMPORTED),
        matrices=[one.path("containment") for one in IMPORTED_MAIN],
    output:
        multiext("results/figures/accuracy_heatmap", *FORMATS),
    log:
        "logs/figures/accuracy_heatmap.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=MODELS,
        imported=IMPORTED,
        matrix_models=[one.model for one in IMPORTED_MAIN],
        tasks=TASKS,
        controls=list(study.controls),
        method=METHODS["accuracy"],
    message:
        "Drawing the accuracy heatmap"
    script:
        "../../workflow/scripts/accuracy_heatmap.py"


rule composition_figure:
    input:
        collect(
            "results/{model}/attribution/{{component}}/{task}.safetensors",
            model=MODELS,
            task=TASKS,
        ),
    output:
        multiext("results/figures/composition.{component}", *FORMATS),
    log:
        "logs/figures/composition.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=MODELS,
        tasks=TASKS,
        controls=list(study.controls),
        percent=study.selection.main,
        method=METHODS["composition"],
    message:
        "Drawing where the domains' {wildcards.component} are"
    script:
        "../../workflow/scripts/composition_figure.py"


rule study_figures:
    input:
        INVENTORY.files,
        tables=rules.statistics.input,
    output:
        collect(
            "results/figures/{figure}.{{component}}{ending}", figure=STUDY_FIGURES, ending=FORMATS
        ),
    log:
        "logs/figures/study.{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        figures=STUDY_FIGURES,
        matrices=INVENTORY.to_params(),
        shown={"overlap_sel": MAIN_SELECTION, "drop_sel": ABLATED[0], "kind": KINDS[0]},
        method=METHODS["figures"],
    message:
        "Drawing what compares models and domains"
    script:
        "../../workflow/scripts/study_figures.py"
