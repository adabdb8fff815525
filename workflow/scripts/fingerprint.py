"""Set the networks of every two models side by side."""

from itertools import product

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.networks.stages.following import write_fingerprint

    asked = snakemake.params
    keys = product(asked.models, asked.datasets)
    files = dict(zip(keys, snakemake.input, strict=True))
    made = snakemake.output
    write_fingerprint(files, output=made.fingerprint, across=made.connectivity)
