"""Draw what compares domains, models and sizes of circuits."""

from pathlib import Path

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import study_figures
    from brodmann.statistics.inventory import Inventory

    component = snakemake.wildcards.component
    study_figures(
        Inventory.from_params(snakemake.params.matrices),
        {Path(file).stem: file for file in snakemake.input.tables if file.endswith(".csv")},
        component=component,
        **snakemake.params.shown,
        stems={name: f"results/figures/{name}.{component}" for name in snakemake.params.figures},
    )
