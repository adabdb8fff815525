"""Write the methods section from the config, with the papers it cites."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.report.methods import write_methods

    write_methods(
        study,
        config=snakemake.params.config,
        schema_file=snakemake.params.schema,
        item_files=snakemake.input.item_files,
        bibliography_file=snakemake.input.bibliography,
        outputs=snakemake.output,
    )
