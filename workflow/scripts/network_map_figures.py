"""Draw one model's networks."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.network_maps import network_map_figures

    asked, model = snakemake.params, snakemake.wildcards.model
    network_map_figures(
        f"{model} (control)" if model in asked.controls else model,
        {name: snakemake.input[name] for name in asked.figures},
        threshold=asked.threshold,
        stems={name: f"results/figures/networks_{name}.{model}" for name in asked.figures},
    )
