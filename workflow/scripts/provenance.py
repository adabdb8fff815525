"""Record versions, config and hashes of this run."""

from brodmann.pipeline import job
from brodmann.pipeline.record import write_provenance

with job.running(snakemake):
    write_provenance(
        snakemake.output[0],
        config=snakemake.params.config,
        models=snakemake.input.cards,
        items=snakemake.input.item_files,
        imported=snakemake.input.imported,
    )
