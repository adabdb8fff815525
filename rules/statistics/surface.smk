"""What the tasks' prompts share on the surface (for results/statistics/confounds.csv).

results/{model}/surface.csv          answers, final token, prompt tokens, format of all pairs of tasks, in the model's tokens
"""


rule surface:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/surface.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
    output:
        output="results/{model}/surface.csv",
    log:
        "logs/{model}/surface.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: what the prompts have in common"
    script:
        "../../workflow/scripts/job.py"
