"""Weights and model cards.

results/{model}/.source.json   which weights the source turned out to be, with their hashes
results/{model}/model.json     the model's identity and shape, and its self-check
Config: models, execution.cache
"""


rule models:
    """All weights fetched and recorded; needs the network only for hub models that are not cached."""
    input:
        collect("results/{model}/.source.json", model=MODELS),


# Runs on the submitting host: compute nodes often have no internet.
rule fetch_model:
    input:
        lambda wildcards: workspace.weights_files(wildcards.model),
    output:
        output="results/{model}/.source.json",
    log:
        "logs/{model}/fetch_model.log",
    localrule: True
    conda:
        "../workflow/envs/brodmann.yaml"
    params:
        weights=lambda wildcards: study.model(wildcards.model).weights_settings(),
        method=METHODS["weights"],
    message:
        "{wildcards.model}: finding the weights"
    script:
        "../workflow/scripts/job.py"


rule check_model:
    input:
        record_file="results/{model}/.source.json",
    output:
        output="results/{model}/model.json",
    log:
        "logs/{model}/check_model.log",
    conda:
        "../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("check_model"),
    params:
        store="results/{model}/.store",
        loading=lambda wildcards: workspace.loading_settings(wildcards.model),
        method=lambda wildcards: card_method(f"results/{wildcards.model}/model.json"),
    message:
        "{wildcards.model}: proving which units are which"
    script:
        "../workflow/scripts/job.py"
