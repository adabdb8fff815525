"""Make a model's weights available in the cache and record which they are."""

from brodmann.pipeline import job
from brodmann.pipeline.models import fetch_weights

with job.running(snakemake) as study:
    fetch_weights(study, snakemake.wildcards.model, snakemake.output[0])
