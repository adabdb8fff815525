"""Which estimator: each one that is tried, at its positions, against true patching.

results/{model}/attribution/{component}.estimators.csv           per task, estimator and positions
results/{model}/attribution/{component}.estimators.summary.csv   means over tasks
results/{model}/attribution/{component}.estimators.seconds.csv   how long each took on this machine
Config: attribution.agreement.estimators
"""

TRIED_TASKS = list(study.attribution.agreement.tried_tasks)


rule estimators:
    """The comparison of attribution.agreement.estimators."""
    input:
        collect(
            "results/{model}/attribution/{component}.estimators.csv",
            model=MODELS if TRIED_TASKS else [],
            component=COMPONENTS,
        ),


rule trials:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/trials.settings.json",
        manifest="results/{model}/.store/attribution.json",
        # Where faithfulness.tasks names some of them, it tests the circuits of every estimator.
        tested=lambda wildcards: (
            [f"results/{wildcards.model}/.store/faithfulness.json"]
            if study.tried_orders and wildcards.model in study.faithfulness_models
            else []
        ),
        item_files=collect("results/items/{task}.json", task=TRIED_TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TRIED_TASKS),
    output:
        table="results/{model}/attribution/{component}.estimators.csv",
        summary="results/{model}/attribution/{component}.estimators.summary.csv",
        seconds="results/{model}/attribution/{component}.estimators.seconds.csv",
    log:
        "logs/{model}/trials/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: how estimators compare, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
