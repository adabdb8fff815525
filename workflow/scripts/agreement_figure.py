"""Draw estimated against true effects of single units."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import agreement_figure

    here = snakemake.wildcards
    agreement_figure(
        snakemake.input.units,
        snakemake.input.table,
        title=f"{here.model}, {here.component}",
        stem=f"results/figures/agreement.{here.model}.{here.component}",
    )
