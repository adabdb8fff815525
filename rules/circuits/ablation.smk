"""Every circuit on every task: what breaks when a circuit is silenced, against random lesions.

results/{model}/.store/ablation.json                              manifest of the model's ablation pass
results/{model}/ablation/{component}/{sel}/{kind}/{task}.csv      target task: every lesion's accuracy and score
results/{model}/ablation/{component}/{sel}.{kind}.{value}.csv     rows source, columns target; accuracy_drop, score
results/{model}/ablation/{component}/{sel}.forecast.csv           first-order forecast of the score's drop
Config: ablation, selection.signs, tasks.split
"""

ABLATED = list(study.ablated_selections)
KINDS = list(study.ablation.kinds)
MEASURED = list(study.measured_models)
FORECAST = [model for model in MODELS if study.model(model).ablation]


rule ablations:
    """Every model's ablation matrices and forecasts (forecasts alone under forecast_only)."""
    input:
        collect(
            "results/{model}/ablation/{component}/{sel}.{kind}.{value}.csv",
            model=MEASURED,
            component=COMPONENTS,
            sel=ABLATED,
            kind=KINDS,
            value=("accuracy_drop", "score"),
        ),
        collect(
            "results/{model}/ablation/{component}/{sel}.forecast.csv",
            model=FORECAST,
            component=COMPONENTS,
            sel=ABLATED,
        ),


# One model load for all targets, sources, selections, kinds and components that are not in the store.
rule ablation_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/ablation_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        masks=collect(
            "results/{{model}}/masks/{component}/{sel}/{task}.csv",
            component=COMPONENTS,
            sel=ABLATED,
            task=TASKS,
        ),
        attributions=workspace.granularity_attributions,
        shards=shards_of("ablation_pass"),
    output:
        manifest="results/{model}/.store/ablation.json",
    log:
        "logs/{model}/ablation_pass.log",
    benchmark:
        "benchmarks/{model}/ablation_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("ablation_pass"),
    message:
        "{wildcards.model}: measuring the lesions that are not in the store"
    script:
        "../../workflow/scripts/job.py"


rule ablation:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/ablation.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        masks=collect(
            "results/{{model}}/masks/{{component}}/{sel}/{task}.csv", sel=ABLATED, task=TASKS
        ),
        manifest="results/{model}/.store/ablation.json",
    output:
        outputs=collect(
            "results/{{model}}/ablation/{{component}}/{sel}/{kind}/{task}.csv",
            sel=ABLATED,
            kind=KINDS,
            task=MADE_TASKS,
        ),
    log:
        "logs/{model}/ablation/{component}.tables.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: every circuit on every task, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
