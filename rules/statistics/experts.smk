"""Circuits among the experts of mixtures.

results/{model}/experts/{sel}.csv   what each circuit has in each expert; a header of models without experts
results/statistics/experts.csv      do tasks of one domain have their circuits in the same experts?
Config: statistics.experts
"""


rule expert_profiles:
    input:
        model_json="results/{model}/model.json",
        masks=collect(
            "results/{{model}}/masks/neurons/{sel}/{task}.csv", sel=SELECTIONS, task=TASKS
        ),
    output:
        outputs=collect("results/{{model}}/experts/{sel}.csv", sel=SELECTIONS),
    log:
        "logs/{model}/experts.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        method=METHODS["experts"],
    message:
        "{wildcards.model}: circuits among its experts"
    script:
        "../../workflow/scripts/job.py"


rule expert_statistics:
    input:
        cards=collect("results/{model}/model.json", model=study.profiled_models),
        masks=collect(
            "results/{model}/masks/neurons/{sel}/{task}.csv",
            model=study.profiled_models,
            sel=SELECTIONS,
            task=TASKS,
        ),
    output:
        output="results/statistics/experts.csv",
    log:
        "logs/statistics/experts.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        models=study.profiled_models,
        settings=STATISTICS,
        method=METHODS["experts"],
    message:
        "Do modules live in experts?"
    script:
        "../../workflow/scripts/job.py"
