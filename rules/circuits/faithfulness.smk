"""Faithfulness: what a model still does if everything outside a circuit is silenced.

results/{model}/.store/faithfulness.json                           manifest of the model's faithfulness pass
results/{model}/faithfulness/{component}.{estimator}.csv           a row per task, order of units and size
results/{model}/faithfulness/{component}.{estimator}.areas.csv     a row per curve: CPR, CMD, the smallest size
Config: faithfulness
"""

TESTED = list(study.faithfulness.tasks)
TESTED_MODELS = list(study.faithfulness_models)
ESTIMATOR = study.attribution.estimator


rule sufficiency:
    """Whether the circuits of faithfulness.tasks are enough, in every model whose circuits are ablated."""
    input:
        collect(
            "results/{model}/faithfulness/{component}.{estimator}.csv",
            model=TESTED_MODELS,
            component=COMPONENTS,
            estimator=ESTIMATOR,
        ),
        collect(
            "results/{model}/faithfulness/{component}.{estimator}.rivals.csv",
            model=TESTED_MODELS if study.faithfulness.rivals.rounds else [],
            component=COMPONENTS,
            estimator=ESTIMATOR,
        ),


# One model load for all tasks, orders, sizes, kinds and components that are not in the store.
rule faithfulness_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/faithfulness_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TESTED),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TESTED),
        attributions=collect(
            "results/{{model}}/attribution/{component}/{task}.safetensors",
            component=COMPONENTS,
            task=TASKS,
        ),
        shards=shards_of("faithfulness_pass"),
    output:
        manifest="results/{model}/.store/faithfulness.json",
    log:
        "logs/{model}/faithfulness_pass.log",
    benchmark:
        "benchmarks/{model}/faithfulness_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("faithfulness_pass"),
    message:
        "{wildcards.model}: measuring circuits alone that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule faithfulness:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/faithfulness.settings.json",
        item_files=collect("results/items/{task}.json", task=TESTED),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TESTED),
        attributions=collect(
            "results/{{model}}/attribution/{{component}}/{task}.safetensors", task=TASKS
        ),
        manifest="results/{model}/.store/faithfulness.json",
    output:
        curves=f"results/{{model}}/faithfulness/{{component}}.{ESTIMATOR}.csv",
        areas=f"results/{{model}}/faithfulness/{{component}}.{ESTIMATOR}.areas.csv",
    log:
        "logs/{model}/faithfulness/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: faithfulness of circuits of {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
