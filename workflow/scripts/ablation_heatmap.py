"""Draw what every circuit's loss costs every task."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import ablation_figure

    here = snakemake.wildcards
    ablation_figure(
        snakemake.input[0],
        title=f"{here.shown}, {here.component}, {snakemake.params.title}",
        stem=f"results/figures/ablation.{here.shown}.{here.component}",
    )
