"""Expand one task to its items of the next seed."""

from brodmann.pipeline import job
from brodmann.pipeline.items import expand_task

with job.running(snakemake) as study:
    expand_task(
        study,
        snakemake.wildcards.task,
        definition=snakemake.input[0],
        output=snakemake.output[0],
        second=True,
    )
