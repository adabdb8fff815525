"""Figures, each with its data beside it.

results/figures/accuracy_heatmap.{png,pdf,csv}   both-correct accuracy, models x tasks
"""

# What rules/overlap.smk, agreement.smk and ablation_matrices.smk draw.
CIRCUIT_FIGURES = [
    *collect(
        "results/figures/overlap.{model}.{component}.{measure}.{ending}",
        model=MODELS,
        component=COMPONENTS,
        measure=("containment", "noise_corrected", "doubly_stochastic"),
        ending=("png", "pdf", "csv"),
    ),
    *collect(
        "results/figures/agreement.{model}.{component}.{ending}",
        model=MODELS if AGREEMENT_TASKS else [],
        component=COMPONENTS,
        ending=("png", "pdf", "csv"),
    ),
    *collect(
        "results/figures/{figure}.{model}.{component}.{ending}",
        figure=("ablation", "forecast"),
        model=MEASURED,
        component=COMPONENTS,
        ending=("png", "pdf", "csv"),
    ),
]


rule figures:
    """All figures."""
    input:
        multiext("results/figures/accuracy_heatmap", ".png", ".pdf", ".csv"),
        CIRCUIT_FIGURES,


rule accuracy_heatmap:
    input:
        collect("results/{model}/baseline/{task}.json", model=MODELS, task=TASKS),
    output:
        png=report(
            "results/figures/accuracy_heatmap.png",
            caption="../workflow/report/accuracy_heatmap.rst",
            category="Baseline",
            labels={"figure": "Accuracy, models x tasks"},
        ),
        pdf="results/figures/accuracy_heatmap.pdf",
        csv=report(
            "results/figures/accuracy_heatmap.csv",
            caption="../workflow/report/accuracy_table.rst",
            category="Baseline",
            labels={"figure": "Accuracy, table"},
        ),
    log:
        "logs/figures/accuracy_heatmap.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        models=MODELS,
        tasks=TASKS,
        controls=list(study.controls),
        method=METHODS["accuracy"],
    message:
        "Drawing the accuracy heatmap"
    script:
        "../workflow/scripts/accuracy_heatmap.py"
