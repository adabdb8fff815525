"""Write a model's networks, and the tables over all of them."""

from brodmann.networks.stages.decomposition import write_networks
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_networks(
        study,
        manifest=snakemake.input.manifest,
        templates=snakemake.output.templates,
        tables={name: snakemake.output[name] for name in snakemake.params.tables},
    )
