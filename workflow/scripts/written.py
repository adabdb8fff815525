"""What the circuits of one model write on the units of a network."""

from brodmann.comparison.stages.written import write_written
from brodmann.pipeline import job

with job.running(snakemake) as study:
    given = snakemake.input
    write_written(
        study,
        model_json=given.model,
        manifest=given.manifest,
        mask_files=dict(zip(snakemake.params.tasks, given.masks, strict=True)),
        network=snakemake.wildcards.network,
        output=snakemake.output[0],
    )
