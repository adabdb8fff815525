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


# One model load for all tasks. What the store holds already is not computed again. The pass over an untrained model
# waits for its trained one's baselines: where attributions are asked for, they say of which items. Newer ones are no
# reason to score again.
rule baseline_pass:
    input:
        record_file="results/{model}/.source.json",
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/baseline_pass.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        lenders=ancient(workspace.lent_baselines),
        shards=shards_of("baseline_pass"),
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


# One job for all tasks: each takes a fraction of what it takes to start one. An untrained model has the items of its
# trained one, hence that one's baselines as input.
rule baseline:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/baseline.settings.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        lenders=workspace.lent_baselines,
        manifest="results/{model}/.store/baseline.json",
    output:
        outputs=collect("results/{{model}}/baseline/{task}.json", task=MADE_TASKS),
    log:
        "logs/{model}/baseline.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: baselines of all tasks"
    script:
        "../../workflow/scripts/job.py"
