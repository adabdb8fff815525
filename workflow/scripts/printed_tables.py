"""Write the tables that a paper prints, as Markdown and LaTeX."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.statistics.study_tables import write_printed

    write_printed(
        snakemake.input, snakemake.output, snakemake.params.selection, snakemake.params.ablated
    )
