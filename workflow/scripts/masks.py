"""Make every mask of one attribution."""

from brodmann.circuits.stages.attribution import write_masks
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_masks(
        study,
        attribution=snakemake.input[0],
        outputs=snakemake.output,
        task=snakemake.wildcards.task,
        model=snakemake.wildcards.model,
    )
