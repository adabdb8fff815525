"""Series of checkpoints (models.*.series): what changes along their axis.

results/statistics/series.csv     accuracy, structure, lesions and networks of every checkpoint, as rows
"""

SERIES = [model for members in study.series.values() for model in members]


rule series:
    input:
        collect("results/{model}/baseline/{task}.json", model=SERIES, task=TASKS),
        collect(
            "results/{model}/localizer/{network}/lesion.csv",
            model=SERIES,
            network=study.localizer.networks,
        ),
        collect(
            "results/{model}/networks/{dataset}/templates.json",
            model=[model for model in SERIES if model in study.network_models],
            dataset=study.networks.names,
        ),
        collect(
            f"results/{{model}}/faithfulness/{{component}}.{ESTIMATOR}.areas.csv",
            model=[model for model in SERIES if model in study.faithfulness_models],
            component=COMPONENTS,
        ),
        modularity="results/statistics/modularity.csv",
        clustering="results/statistics/clustering.csv",
    output:
        output="results/statistics/series.csv",
    log:
        "logs/statistics/series.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        series=study.series,
        method=METHODS["series"],
    message:
        "What changes along the series of checkpoints"
    script:
        "../../workflow/scripts/job.py"
