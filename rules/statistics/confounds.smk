"""Does the domain effect survive what the prompts share on the surface?

results/{model}/surface.csv          answers, final token, prompt tokens, format of all pairs of tasks, in the model's tokens
results/statistics/confounds.csv     same domain alone and beside these; labels shuffled within formats
Config: statistics
"""


rule surface:
    input:
        record="results/{model}/.source.json",
        model="results/{model}/model.json",
        settings="results/{model}/.store/surface.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
    output:
        "results/{model}/surface.csv",
    log:
        "logs/{model}/surface.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: what the prompts have in common"
    script:
        "../../workflow/scripts/surface.py"


rule confounds:
    input:
        matrices=INVENTORY.files,
        surfaces=collect("results/{model}/surface.csv", model=MODELS),
    output:
        "results/statistics/confounds.csv",
    log:
        "logs/statistics/confounds.log",
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=MODELS,
        matrices=INVENTORY.to_params(),
        settings=STATISTICS,
        method=METHODS["confounds"],
    message:
        "Does the domain effect survive what prompts share on the surface?"
    script:
        "../../workflow/scripts/confounds.py"
