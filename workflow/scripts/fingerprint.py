"""Set the networks of every two models side by side."""

from itertools import product

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.pipeline.network_following import write_fingerprint

    asked = snakemake.params
    keys = product(asked.models, asked.datasets)
    write_fingerprint(dict(zip(keys, snakemake.input, strict=True)), snakemake.output[0])
