"""Average every matrix over the models that are no controls."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.pipeline.average import write_averages
    from brodmann.pipeline.inventory import Inventory

    write_averages(Inventory.from_params(snakemake.params.matrices), snakemake.params.exclude)
