"""What the pages of single units hold from the model (docs/atlas.md#units).

results/{model}/units/pages.json      tokens that units, heads and networks promote, and where they are highest
results/{model}/units/silenced.csv    effects of single units, where these were measured
Config: atlas
"""


rule unit_pages:
    input:
        unpack(workspace.unit_page_files),
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/unit_pages.settings.json",
    output:
        output="results/{model}/units/pages.json",
        silenced="results/{model}/units/silenced.csv",
    log:
        "logs/{model}/unit_pages.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        datasets=DATASETS,
    message:
        "{wildcards.model}: what its units promote, and what drives them"
    script:
        "../../workflow/scripts/job.py"


rule pages_of_units:
    """The pages of every model's units."""
    input:
        collect("results/{model}/units/pages.json", model=MODELS),
