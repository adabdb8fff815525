"""How well estimated effects of single units agree with true ones.

results/{model}/attribution/{component}.agreement.csv         per task and estimator
results/{model}/attribution/{component}.agreement.units.csv   every measured unit
Config: attribution.agreement
"""


rule agreements:
    """Estimators against true patching, for the tasks of attribution.agreement.tasks."""
    input:
        collect(
            "results/{model}/attribution/{component}.agreement.csv",
            model=MODELS if AGREEMENT_TASKS else [],
            component=COMPONENTS,
        ),


rule agreement:
    input:
        model_json="results/{model}/model.json",
        settings="results/{model}/.store/agreement.settings.json",
        manifest="results/{model}/.store/attribution.json",
        item_files=collect("results/items/{task}.json", task=AGREEMENT_TASKS),
        baseline_files=collect("results/{{model}}/baseline/{task}.json", task=AGREEMENT_TASKS),
    output:
        table="results/{model}/attribution/{component}.agreement.csv",
        units="results/{model}/attribution/{component}.agreement.units.csv",
    log:
        "logs/{model}/agreement/{component}.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    message:
        "{wildcards.model}: estimators against true patching, {wildcards.component}"
    script:
        "../../workflow/scripts/job.py"
