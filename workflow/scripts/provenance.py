"""Record what made the results: software, config, models, items."""

from brodmann.pipeline import job
from brodmann.pipeline.record import write_provenance

with job.running(snakemake):
    write_provenance(
        snakemake.output[0],
        config=snakemake.params.config,
        models=snakemake.input.cards,
        items=snakemake.input.item_files,
    )
