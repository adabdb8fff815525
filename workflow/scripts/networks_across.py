"""Draw how networks of different models go together."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.networks import networks_across

    networks_across(snakemake.input[0], "results/figures/networks_across")
