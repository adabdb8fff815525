"""What the circuits of one model write on the units of a network."""

from brodmann.pipeline import job
from brodmann.pipeline.lesion import write_written

with job.running(snakemake) as study:
    given = snakemake.input
    write_written(
        study,
        model_json=given.model,
        localizer_manifest=given.localizer,
        manifest=given.manifest,
        mask_files=dict(zip(snakemake.params.tasks, given.masks, strict=True)),
        network=snakemake.wildcards.network,
        output=snakemake.output[0],
    )
