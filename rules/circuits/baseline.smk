"""Baselines: which tasks a model can do, and how surely.

results/{model}/.store/baseline.json     manifest of the model's baseline pass (the scores themselves
                                         are in results/{model}/.store/baseline/)
results/{model}/baseline/{task}.json     accuracies, baselines, inclusion, per-item log-probabilities
Config: models.*.{format,chat_template,system,bos,filter,control}, tasks.{min_both_correct,min_items,filter}
"""


rule baselines:
    """Every model's baseline on every task."""
    input:
        collect("results/{model}/model.json", model=MODELS),
        collect("results/{model}/baseline/{task}.json", model=MODELS, task=TASKS),


# One model load for all tasks. What the store holds already is not computed again.
rule baseline_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/baseline_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
    output:
        manifest="results/{model}/.store/baseline.json",
    log:
        "logs/{model}/baseline_pass.log",
    benchmark:
        "benchmarks/{model}/baseline_pass.tsv"
    conda:
        "../../workflow/envs/brodmann.yaml"
    threads: MODEL_THREADS
    resources:
        **needs("baseline_pass"),
    message:
        "{wildcards.model}: scoring the answers of all tasks that are not in the store"
    script:
        "../../workflow/scripts/job.py"


# An untrained model has the items of its trained one, hence that one's baseline as input. After a pass the light jobs of
# all tasks run again, in a second each. (As ancient() input the manifest would spare those whose task did not change,
# but then Snakemake also leaves out jobs that have a reason of their own.)
rule baseline:
    input:
        unpack(workspace.lent_baseline),
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/baseline.settings.json",
        items_file="results/items/{task}.json",
        manifest="results/{model}/.store/baseline.json",
    output:
        output="results/{model}/baseline/{task}.json",
    log:
        "logs/{model}/baseline/{task}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: baseline of {wildcards.task}"
    script:
        "../../workflow/scripts/job.py"
