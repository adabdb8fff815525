"""The strongest units of every circuit, with the tokens that they promote.

results/{model}/units/neurons.csv    a row per task, unit and token
Config: selection, ablation.percents
"""


rule units:
    input:
        manifest="results/{model}/.store/ablation.json",
        attributions=collect("results/{{model}}/attribution/neurons/{task}.safetensors", task=TASKS),
    output:
        output="results/{model}/units/neurons.csv",
    log:
        "logs/{model}/units.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selection=ABLATED[:1],
        method=METHODS["promoted"],
    message:
        "{wildcards.model}: what the units of its circuits promote"
    script:
        "../../workflow/scripts/job.py"
