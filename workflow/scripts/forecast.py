"""Forecast the ablations of one model and component from attributions and masks."""

from brodmann.pipeline import job
from brodmann.pipeline.forecast import write_forecasts

with job.running(snakemake) as study:
    write_forecasts(
        study,
        tasks=snakemake.params.tasks,
        attribution_files=snakemake.input.attributions,
        mask_folder=snakemake.params.masks,
        outputs=dict(zip(snakemake.params.selections, snakemake.output, strict=True)),
    )
