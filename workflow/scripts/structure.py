"""Test every matrix for domains, clusters and agreement between models."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.statistics.inventory import Inventory
    from brodmann.statistics.stages.structure import write_structure

    write_structure(
        Inventory.from_params(snakemake.params.matrices),
        study.statistics,
        dict(snakemake.output.items()),
    )
