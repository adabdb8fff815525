"""Draw forecast against measured effects, and circuits against random lesions."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import effect_figures

    here, given = snakemake.wildcards, snakemake.input
    named = f"{here.model}.{here.component}"
    effect_figures(
        given.drops,
        given.scores,
        given.forecast,
        dict(zip(snakemake.params.tasks, given.lesions, strict=True)),
        title=f"{here.model}, {here.component}, {snakemake.params.title}",
        stems={name: f"results/figures/{name}.{named}" for name in ("forecast", "controls")},
    )
