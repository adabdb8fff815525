"""What the rules run: stages, the result store, jobs. The only layer that knows Snakemake."""
