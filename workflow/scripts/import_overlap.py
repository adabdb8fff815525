"""Take over the overlaps of a results-only model."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.statistics.stages.imports import import_overlap

    import_overlap(snakemake.input[0], dict(snakemake.output.items()))
