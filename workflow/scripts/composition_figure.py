"""Draw where in the models the domains' units are."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import composition_figure

    component = snakemake.wildcards.component
    folder = f"attribution/{component}"
    composition_figure(
        {
            model: {t: f"results/{model}/{folder}/{t}.safetensors" for t in snakemake.params.tasks}
            for model in snakemake.params.models
        },
        snakemake.params.controls,
        percent=snakemake.params.percent,
        title=f"{component}, top {snakemake.params.percent:g} % of each domain's mean attribution",
        stem=f"results/figures/composition.{component}",
    )
