"""Jobs that tell what was done: the report, the methods section, the record of what made them."""

from pathlib import Path

from brodmann.pipeline import job

given, made, asked = snakemake.input, snakemake.output, snakemake.params
workflow = Path(snakemake.config["snakefile"]).parent / "workflow"


def provenance(_):
    """Record versions, config and hashes of this run."""
    from brodmann.pipeline.record import write_provenance

    write_provenance(
        made[0],
        config=asked.config,
        models=given.cards,
        items=given.item_files,
        imported=given.imported,
    )


def methods(study):
    """Write the methods section from the config, with the papers it cites."""
    from brodmann.report.methods import write_methods

    write_methods(
        study,
        config=asked.config,
        schema_file=workflow / "schemas" / "config.schema.yaml",
        item_files=given.item_files,
        cards=given.cards,
        bibliography_file=workflow / "report" / "methods.bib",
        outputs=made,
    )


def write_report(study):
    """Write the report from the finished results."""
    from brodmann.report.compose import compose
    from brodmann.report.page import write_page
    from brodmann.statistics.inventory import Inventory

    page = compose(study, Inventory.from_params(asked.matrices), asked.figures)
    write_page(made[0], page, workflow / "report" / "report.html.j2")


job.run(snakemake, globals())
