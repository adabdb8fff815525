"""Draw one model's overlaps divided by their noise ceiling."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import noise_corrected_figure

    here = snakemake.wildcards
    noise_corrected_figure(
        snakemake.input.matrix,
        snakemake.input.reliability,
        title=f"{here.model}, {here.component}, {snakemake.params.selection}",
        stem=f"results/figures/overlap.noise_corrected.{here.model}.{here.component}",
    )
