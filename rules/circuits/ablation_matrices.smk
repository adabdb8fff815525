"""Ablations gathered: matrices, and the forecast.

results/{model}/ablation/{component}/{sel}.{kind}.{value}.csv   value: accuracy_drop | score
results/{model}/ablation/{component}/{sel}.forecast.csv
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
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        method=METHODS["ablation"],
    message:
        "{wildcards.model}: gathering the ablations of {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"


rule forecast:
    input:
        model_json="results/{model}/model.json",
        attribution_files=collect(
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
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selections=ABLATED,
        method=METHODS["forecast"],
    message:
        "{wildcards.model}: forecasting ablations of {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
