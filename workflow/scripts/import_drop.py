"""Take over the accuracy drops of a results-only model."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.statistics.stages.imports import import_drop

    import_drop(snakemake.input[0], snakemake.output[0])
