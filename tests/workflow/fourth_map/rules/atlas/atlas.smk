"""The atlas: results/{model}/atlas.csv, the loudest units of each layer."""


rule atlas:
    """Every model's atlas."""
    input:
        collect("results/{model}/atlas.csv", model=MODELS),


rule atlas_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/atlas_pass.settings.json",
    output:
        manifest="results/{model}/.store/atlas.json",
    log:
        "logs/{model}/atlas_pass.log",
    threads: MODEL_THREADS
    resources:
        **needs("atlas_pass"),
    script:
        "../../workflow/scripts/job.py"


rule atlas_table:
    input:
        settings="results/{model}/.store/atlas.settings.json",
        manifest="results/{model}/.store/atlas.json",
    output:
        output="results/{model}/atlas.csv",
    log:
        "logs/{model}/atlas.log",
    localrule: True
    script:
        "../../workflow/scripts/job.py"
