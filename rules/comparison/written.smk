"""What circuits write on localized units.

results/{model}/localizer/{network}/circuits.csv      written shares of each task's circuit
Config: localizer, selection.main
"""


rule written:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/lesion.settings.json",
        localizer_manifest="results/{model}/.store/localizer.json",
        manifest="results/{model}/.store/lesion.json",
        masks=collect(
            f"results/{{{{model}}}}/masks/neurons/{MAIN_SELECTION}/{{task}}.csv", task=TASKS
        ),
    output:
        output="results/{model}/localizer/{network}/circuits.csv",
    log:
        "logs/{model}/localizer/{network}.circuits.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        method=METHODS["written"],
    message:
        "{wildcards.model}: what circuits write on {wildcards.network}"
    script:
        "../../workflow/scripts/job.py"
