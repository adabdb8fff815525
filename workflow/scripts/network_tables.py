"""Write a model's networks, and the tables over all of them."""

from brodmann.pipeline import job
from brodmann.pipeline.networks import write_networks

with job.running(snakemake) as study:
    write_networks(
        study,
        model_json=snakemake.input.model,
        manifest=snakemake.input.manifest,
        templates=snakemake.output.templates,
        tables={name: snakemake.output[name] for name in snakemake.params.tables},
    )
