"""Localizers: units that respond to one kind of text, and what silencing them does.

results/{model}/.store/localizer.json                        manifest of the model's localizer pass
results/{model}/localizer/{network}/selectivity.safetensors  tensors `t`, `p`, `p_fdr` [layers, units]
results/{model}/localizer/{network}/{selection}.csv          layer,unit,t, in order of selection; model,weights,site,selection
results/{model}/localizer/{network}/lesion.csv               perplexity and accuracy, intact and lesioned
Config: localizer
"""

NETWORKS = list(study.localizer.networks)
UNIT_SELECTIONS = list(study.localizer.selections)
LESIONED_TASKS = list(study.localizer.lesion.tasks) if MODELS else []


wildcard_constraints:
    network=alternatives(NETWORKS),


rule localizers:
    """Every model's networks, and their lesions."""
    input:
        collect(
            "results/{model}/localizer/{network}/{file}",
            model=MODELS,
            network=NETWORKS,
            file=["selectivity.safetensors", *map("{}.csv".format, UNIT_SELECTIONS), "lesion.csv"],
        ),


rule localizer_pass:
    input:
        workspace.stimulus_files,
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/localizer_pass.settings.json",
        shards=shards_of("localizer_pass"),
    output:
        manifest="results/{model}/.store/localizer.json",
    log:
        "logs/{model}/localizer_pass.log",
    benchmark:
        "benchmarks/{model}/localizer_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("localizer_pass"),
    message:
        "{wildcards.model}: measuring the networks that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule localizer:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/localizer.settings.json",
        manifest="results/{model}/.store/localizer.json",
    output:
        output="results/{model}/localizer/{network}/selectivity.safetensors",
        selections=collect(
            "results/{{model}}/localizer/{{network}}/{selection}.csv", selection=UNIT_SELECTIONS
        ),
    log:
        "logs/{model}/localizer/{network}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        columns=ORIGIN,
    message:
        "{wildcards.model}: units of the network {wildcards.network}"
    script:
        "../../workflow/scripts/job.py"


rule lesion_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/lesion_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=LESIONED_TASKS),
        corpus=workspace.corpus_file,
        localizer_manifest="results/{model}/.store/localizer.json",
        shards=shards_of("lesion_pass"),
    output:
        manifest="results/{model}/.store/lesion.json",
    log:
        "logs/{model}/lesion_pass.log",
    benchmark:
        "benchmarks/{model}/lesion_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("lesion_pass"),
    message:
        "{wildcards.model}: measuring the lesions of networks that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule lesion:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/lesion.settings.json",
        item_files=collect("results/items/{task}.json", task=LESIONED_TASKS),
        localizer_manifest="results/{model}/.store/localizer.json",
        manifest="results/{model}/.store/lesion.json",
    output:
        output="results/{model}/localizer/{network}/lesion.csv",
    log:
        "logs/{model}/lesion/{network}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: the lesions of {wildcards.network}"
    script:
        "../../workflow/scripts/job.py"
