"""Ablations gathered: matrices, the forecast, and how the two agree.

results/{model}/ablation/{component}/{sel}.{kind}.{value}.csv   value: accuracy_drop | score
results/{model}/ablation/{component}/{sel}.forecast.csv
results/figures/ablation.{model}.{component}.{png,pdf,csv}      accuracy drop, the main selection
results/figures/forecast.{model}.{component}.{png,pdf,csv}      forecast against measured
"""


rule ablation_matrices:
    input:
        collect(
            "results/{{model}}/ablation/{{component}}/{sel}/{kind}/{task}.csv",
            sel=ABLATED,
            kind=KINDS,
            task=TASKS,
        ),
    output:
        collect(
            "results/{{model}}/ablation/{{component}}/{sel}.{kind}.{value}.csv",
            sel=ABLATED,
            kind=KINDS,
            value=("accuracy_drop", "score"),
        ),
    log:
        "logs/{model}/ablation/{component}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        method=METHODS["ablation"],
    message:
        "{wildcards.model}: gathering the ablations of {wildcards.component}"
    script:
        "../workflow/scripts/ablation_matrices.py"


rule forecast:
    input:
        attributions=collect(
            "results/{{model}}/attribution/{{component}}/{task}.safetensors", task=TASKS
        ),
        masks=collect(
            "results/{{model}}/masks/{{component}}/{sel}/{task}.csv", sel=ABLATED, task=TASKS
        ),
    output:
        collect("results/{{model}}/ablation/{{component}}/{sel}.forecast.csv", sel=ABLATED),
    log:
        "logs/{model}/forecast/{component}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selections=ABLATED,
        method=METHODS["forecast"],
    message:
        "{wildcards.model}: forecasting ablations of {wildcards.component}"
    script:
        "../workflow/scripts/forecast.py"


rule ablation_figures:
    input:
        drops=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.{KINDS[0]}.accuracy_drop.csv",
        scores=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.{KINDS[0]}.score.csv",
        forecast=f"results/{{model}}/ablation/{{component}}/{ABLATED[0]}.forecast.csv",
    output:
        ablation=report(
            "results/figures/ablation.{model}.{component}.png",
            caption="../workflow/report/ablation.rst",
            category="Ablation",
            labels={"model": "{model}", "units": "{component}", "figure": "accuracy drop"},
        ),
        forecast=report(
            "results/figures/forecast.{model}.{component}.png",
            caption="../workflow/report/forecast.rst",
            category="Ablation",
            labels={"model": "{model}", "units": "{component}", "figure": "forecast"},
        ),
        others=multiext("results/figures/ablation.{model}.{component}", ".pdf", ".csv")
        + multiext("results/figures/forecast.{model}.{component}", ".pdf", ".csv"),
    log:
        "logs/figures/ablation.{model}.{component}.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        title=f"{ABLATED[0]}, {KINDS[0]}",
        method=(METHODS["ablation"], METHODS["forecast"]),
    message:
        "Drawing the ablations of {wildcards.model}"
    script:
        "../workflow/scripts/ablation_figures.py"
