"""Attribution: how much each unit of a model carries of each task.

results/{model}/.store/attribution.json                      manifest of the model's attribution pass
results/{model}/attribution/{component}/{task}.safetensors   tensor `attribution` [layers, units], float32
results/{model}/attribution/{component}/{task}.replicates.safetensors   the same from other item lists
Config: attribution, tasks.split
"""


rule attributions:
    """Every model's attribution on every task."""
    input:
        collect(
            "results/{model}/attribution/{component}/{task}.safetensors",
            model=MODELS,
            component=COMPONENTS,
            task=TASKS,
        ),


# One model load for all tasks and components. What the store holds already is not computed again.
rule attribution_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/attribution_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        second_files=collect("results/items/.second/{task}.json", task=SECOND_TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        shards=shards_of("attribution_pass"),
    output:
        manifest="results/{model}/.store/attribution.json",
    log:
        "logs/{model}/attribution_pass.log",
    benchmark:
        "benchmarks/{model}/attribution_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("attribution_pass"),
    message:
        "{wildcards.model}: finding the circuits that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule attribution:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/attribution.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        second_files=collect("results/items/.second/{task}.json", task=SECOND_TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        manifest="results/{model}/.store/attribution.json",
    output:
        outputs=collect(
            "results/{{model}}/attribution/{{component}}/{task}.safetensors", task=MADE_TASKS
        ),
        all_replicates=collect(
            "results/{{model}}/attribution/{{component}}/{task}.replicates.safetensors",
            task=MADE_TASKS,
        ),
    log:
        "logs/{model}/attribution/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: attributions to {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
