"""Load a model once, prove its unit mapping, and write its card."""

from brodmann.pipeline import job
from brodmann.pipeline.models import check_model

with job.running(snakemake) as study:
    check_model(
        study,
        snakemake.wildcards.model,
        record_file=snakemake.input.record,
        store=snakemake.params.store,
        output=snakemake.output[0],
        threads=snakemake.threads,
    )
