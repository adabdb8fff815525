"""Tests on the matrices of every model and their averages, as long tables (docs/statistics.md).

results/statistics/{table}.csv                which there are: brodmann.statistics.registry
results/statistics/tables/{table}.{md,tex}    the tables that a paper prints
Config: statistics, average.exclude
"""

from brodmann.statistics import registry


rule statistics:
    """Every table of statistics."""
    input:
        registry.files(),
        # Where the study has a series of checkpoints.
        "results/statistics/series.csv" if study.series else [],
        # Where it compares pairs of models.
        "results/statistics/compared.csv" if study.compare.pairs else [],


for job in registry.JOBS:

    rule:
        name:
            job.rule
        input:
            **job.reads(study, INVENTORY),
        output:
            **job.outputs,
        log:
            f"logs/statistics/{job.rule}.log",
        localrule: job.local
        conda:
            "../../workflow/envs/brodmann.yaml"
        params:
            models=MODELS,
            matrices=INVENTORY.to_params(),
            settings=STATISTICS,
            method=job.method,
        message:
            job.message
        script:
            "../../workflow/scripts/statistic_tables.py"


rule printed_tables:
    input:
        collect("results/statistics/{table}.csv", table=registry.PRINTED),
    output:
        registry.printed_files(),
    log:
        "logs/statistics/tables.log",
    localrule: True
    conda:
        "../../workflow/envs/brodmann.yaml"
    params:
        selection=MAIN_SELECTION,
        ablated=ABLATED[0],
        method=METHODS["structure"],
    message:
        "Writing the tables for a paper"
    script:
        "../../workflow/scripts/job.py"
