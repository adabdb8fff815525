"""Loudness: results/{model}/loudness.csv, the loudest units of each layer."""


rule loudness:
    """Every model's loudest units."""
    input:
        collect("results/{model}/loudness.csv", model=MODELS),


rule loudness_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/loudness_pass.settings.json",
    output:
        manifest="results/{model}/.store/loudness.json",
    log:
        "logs/{model}/loudness_pass.log",
    threads: MODEL_THREADS
    resources:
        **needs("loudness_pass"),
    script:
        "../../workflow/scripts/job.py"


rule loudness_table:
    input:
        settings="results/{model}/.store/loudness.settings.json",
        manifest="results/{model}/.store/loudness.json",
    output:
        output="results/{model}/loudness.csv",
    log:
        "logs/{model}/loudness.log",
    localrule: True
    script:
        "../../workflow/scripts/job.py"
