"""Average every matrix over the models that are no controls."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.statistics.inventory import Inventory
    from brodmann.statistics.stages.average import write_averages

    write_averages(Inventory.from_params(snakemake.params.matrices), snakemake.params.exclude)
