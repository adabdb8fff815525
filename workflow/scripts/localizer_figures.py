"""Draw the localized networks of all models."""

from itertools import product

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.localizers import localizer_figures, read_networks

    asked, given = snakemake.params, snakemake.input
    localizer_figures(
        read_networks(asked.models, asked.networks, asked.selection, asked.controls),
        dict(zip(product(asked.models, asked.networks), given.lesions, strict=True)),
        dict(zip(product(asked.writing, asked.networks), given.written, strict=True)),
        selection=asked.selection,
        stems={name: f"results/figures/localizer_{name}" for name in asked.figures},
    )
