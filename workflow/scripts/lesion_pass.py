"""Measure, for one model, the lesions of all networks that its store does not hold yet."""

from brodmann.localizers.stages.lesion import run_pass
from brodmann.pipeline import job

with job.running(snakemake) as study:
    run_pass(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        item_files=snakemake.input.item_files,
        localizer_manifest=snakemake.input.localizer,
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
