"""Rival circuits: found again without those before them.

results/{model}/faithfulness/{component}.{estimator}.rivals.csv    a row per task and round
Config: faithfulness.rivals
"""


rule rivals:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/rivals.settings.json",
        item_files=collect("results/items/{task}.json", task=TESTED),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TESTED),
        attributions=collect(
            "results/{{model}}/attribution/{{component}}/{task}.safetensors", task=TASKS
        ),
        manifest="results/{model}/.store/faithfulness.json",
    output:
        output=f"results/{{model}}/faithfulness/{{component}}.{ESTIMATOR}.rivals.csv",
    log:
        "logs/{model}/faithfulness/{component}.rivals.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: rival circuits of {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
