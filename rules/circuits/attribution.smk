"""Circuits: which units of a model carry each task, and the masks made of the strongest.

results/items/.second/{task}.json                            items of the next seed, for reliability
results/{model}/.store/attribution.json                      manifest of the model's attribution pass
results/{model}/attribution/{component}/{task}.safetensors   tensor `attribution` [layers, units], float32
results/{model}/attribution/{component}/{task}.replicates.safetensors   the same from other item lists
results/{model}/masks/{component}/{sel}/{task}.csv           layer,unit,score, best first
Config: attribution, selection, tasks.split
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


rule expand_second_items:
    input:
        definition_files,
    output:
        output="results/items/.second/{task}.json",
    log:
        "logs/items/second/{task}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        expansion=second_expansion_settings,
        method=METHODS["items"],
    message:
        "{wildcards.task}: writing the items of the second seed"
    script:
        "../../workflow/scripts/job.py"


# One model load for all tasks and components. What the store holds already is not computed again.
rule attribution_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/attribution_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        second_files=collect("results/items/.second/{task}.json", task=SECOND_TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
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
        unpack(second_item_file),
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/attribution.settings.json",
        items_file="results/items/{task}.json",
        baseline_file="results/{model}/baseline/{task}.json",
        manifest="results/{model}/.store/attribution.json",
    output:
        output="results/{model}/attribution/{component}/{task}.safetensors",
        replicates="results/{model}/attribution/{component}/{task}.replicates.safetensors",
    log:
        "logs/{model}/attribution/{component}/{task}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: attribution of {wildcards.task} to {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"


rule circuit_masks:
    input:
        attribution="results/{model}/attribution/{component}/{task}.safetensors",
    output:
        outputs=collect("results/{{model}}/masks/{{component}}/{sel}/{{task}}.csv", sel=SELECTIONS),
    log:
        "logs/{model}/masks/{component}/{task}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        selections=SELECTIONS,
        method=METHODS["masks"],
    message:
        "{wildcards.model}: masks of {wildcards.task}, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
