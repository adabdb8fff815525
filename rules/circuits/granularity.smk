"""Circuits of larger units: heads, whole layers, heads with layers. Their lesions are made by the ablation pass.

results/{model}/granularity/lesions.csv     every lesion of every target, at each level and size
results/{model}/granularity/circuits.csv    the units of every circuit
Config: granularity
"""

GRANULAR = list(study.granular_models)


rule granularities:
    """Every model's circuits of larger units, on every task."""
    input:
        collect("results/{model}/granularity/lesions.csv", model=GRANULAR),


rule granularity:
    input:
        model_json="results/{model}/model.json",
        item_files=collect("results/items/{task}.json", task=TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=TASKS),
        attributions=workspace.granularity_attributions,
        manifest="results/{model}/.store/ablation.json",
    output:
        lesions="results/{model}/granularity/lesions.csv",
        circuits="results/{model}/granularity/circuits.csv",
    log:
        "logs/{model}/granularity.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        settings=study.granularity.model_dump(mode="json"),
        method=METHODS["granularity"],
    message:
        "{wildcards.model}: circuits of larger units on every task"
    script:
        "../../workflow/scripts/job.py"
