"""Write the report from the finished results."""

from pathlib import Path

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.report.compose import compose
    from brodmann.report.page import write_page
    from brodmann.statistics.inventory import Inventory

    page = compose(
        study, Inventory.from_params(snakemake.params.matrices), snakemake.params.figures
    )
    folder = Path(snakemake.config["snakefile"]).parent / "workflow" / "report"
    write_page(snakemake.output[0], page, folder / "report.html.j2")
