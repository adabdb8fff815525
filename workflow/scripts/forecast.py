"""Forecast the ablations of one model and component from attributions and masks."""

from brodmann.circuits.stages.forecast import write_forecasts
from brodmann.pipeline import job

with job.running(snakemake) as study:
    here = snakemake.wildcards
    write_forecasts(
        study,
        tasks=snakemake.params.tasks,
        attribution_files=snakemake.input.attributions,
        mask_folder=f"results/{here.model}/masks/{here.component}",
        outputs=dict(zip(snakemake.params.selections, snakemake.output, strict=True)),
    )
