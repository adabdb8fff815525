"""Write Snakemake's HTML report of the finished results."""

from brodmann.pipeline import job
from brodmann.pipeline.record import write_report

with job.running(snakemake) as study:
    write_report(
        snakemake.output[0],
        snakefile=snakemake.config["snakefile"],
        config_files=snakemake.config["config_files"],
        overrides=snakemake.config["overrides"],
    )
