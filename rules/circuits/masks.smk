"""Circuits: the units that carry a task most.

results/{model}/masks/{component}/{sel}/{task}.csv    layer,unit,score, best first; model,weights,site,selection
Config: selection
"""


rule masks:
    """Every circuit: all signs and percentages of every attribution."""
    input:
        collect(
            "results/{model}/masks/{component}/{sel}/{task}.csv",
            model=MODELS,
            component=COMPONENTS,
            sel=SELECTIONS,
            task=TASKS,
        ),


rule circuit_masks:
    input:
        model_json="results/{model}/model.json",
        attributions=collect(
            "results/{{model}}/attribution/{{component}}/{task}.safetensors", task=TASKS
        ),
    output:
        collect(
            "results/{{model}}/masks/{{component}}/{sel}/{task}.csv",
            task=MADE_TASKS,
            sel=SELECTIONS,
        ),
    log:
        "logs/{model}/masks/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selections=SELECTIONS,
        method=METHODS["masks"],
        columns=ORIGIN,
    message:
        "{wildcards.model}: masks of {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
