"""How alike the circuits of resampled items are.

results/{model}/overlap/{component}/{sel}.stability.csv          per task, at the main size
results/{model}/overlap/{component}/{sel}.stability.curve.csv    by the number of items
Config: selection, attribution.{bootstraps,stability}
"""


rule stabilities:
    """How alike the circuits of resampled items are."""
    input:
        workspace.stability_files,


rule stability:
    input:
        model_json="results/{model}/model.json",
        replicate_files=collect(
            "results/{{model}}/attribution/{{component}}/{task}.replicates.safetensors", task=TASKS
        ),
        manifest="results/{model}/.store/attribution.json",
    output:
        **workspace.stability_curves,
        table=f"results/{{model}}/overlap/{{component}}/{MAIN_SELECTION}.stability.csv",
    log:
        "logs/{model}/stability/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        tasks=TASKS,
        selection=MAIN_SELECTION,
        stability=study.attribution.curve(),
        method=METHODS["stability"],
    message:
        "{wildcards.model}: how alike circuits of resampled items are, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
