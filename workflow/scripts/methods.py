"""Write the methods section from the config, with the papers it cites."""

from pathlib import Path

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.report.methods import write_methods

    workflow = Path(snakemake.config["snakefile"]).parent / "workflow"
    write_methods(
        study,
        config=snakemake.params.config,
        schema_file=workflow / "schemas" / "config.schema.yaml",
        item_files=snakemake.input.item_files,
        cards=snakemake.input.cards,
        bibliography_file=workflow / "report" / "methods.bib",
        outputs=snakemake.output,
    )
