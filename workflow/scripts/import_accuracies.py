"""Take over the accuracies of a results-only model."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.statistics.stages.imports import import_accuracies

    import_accuracies(
        snakemake.output[0], table=snakemake.params.table, baselines=snakemake.params.baselines
    )
