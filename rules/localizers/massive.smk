"""Massive activations among localized units.

results/{model}/localizer/massive.csv    all of them, and which selections hold them
Config: localizer
"""


rule massive:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/lesion.settings.json",
        localizer_manifest="results/{model}/.store/localizer.json",
        manifest="results/{model}/.store/lesion.json",
    output:
        output="results/{model}/localizer/massive.csv",
    log:
        "logs/{model}/localizer/massive.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        method=METHODS["massive"],
    message:
        "{wildcards.model}: which units carry massive activations"
    script:
        "../../workflow/scripts/job.py"
