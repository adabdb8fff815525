"""Pairs of models whose maps are held against each other (docs/compared.md).

results/statistics/compared.csv         per pair: mean over tasks of each measure, with its interval
results/statistics/compared.tasks.csv   the same for every task, and for every localizer
Config: compare.pairs
"""

PAIRED = list(dict.fromkeys(model for pair in study.compare.pairs for model in pair))


rule compared_models:
    input:
        collect("results/{model}/model.json", model=PAIRED),
        collect("results/{model}/baseline/{task}.json", model=PAIRED, task=TASKS),
        collect(
            "results/{model}/attribution/{component}/{task}.safetensors",
            model=PAIRED,
            component=COMPONENTS,
            task=TASKS,
        ),
        collect(
            f"results/{{model}}/masks/{{component}}/{MAIN_SELECTION}/{{task}}.csv",
            model=PAIRED,
            component=COMPONENTS,
            task=TASKS,
        ),
        collect(
            "results/{model}/localizer/{network}/selectivity.safetensors",
            model=PAIRED,
            network=study.localizer.networks,
        ),
    output:
        output="results/statistics/compared.csv",
        each="results/statistics/compared.tasks.csv",
    log:
        "logs/statistics/compared.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        pairs=study.compare.pairs,
        method=METHODS["compared"],
    message:
        "Holding pairs of models against each other"
    script:
        "../../workflow/scripts/job.py"
