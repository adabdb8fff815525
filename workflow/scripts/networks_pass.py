"""Decompose, for one model, the signals of all datasets that its store does not hold yet."""

from brodmann.networks.stages.decomposition import run_pass
from brodmann.pipeline import job

with job.running(snakemake) as study:
    run_pass(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
