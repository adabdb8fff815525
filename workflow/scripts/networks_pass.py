"""Decompose, for one model, the signals of all datasets that its store does not hold yet."""

from brodmann.pipeline import job
from brodmann.pipeline.networks import run_pass

with job.running(snakemake) as study:
    run_pass(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
