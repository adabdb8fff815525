"""Draw what one model's networks do."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.networks import network_figures

    model, given = snakemake.wildcards.model, snakemake.input
    network_figures(
        model,
        editing=given.editing,
        connectivity=given.connectivity,
        agreement=given.agreement,
        layers=given.layers,
        stems={
            name: f"results/figures/networks_{name}.{model}" for name in snakemake.params.figures
        },
    )
