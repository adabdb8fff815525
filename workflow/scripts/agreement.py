"""Compare a model's estimated effects of units with the true ones."""

from brodmann.circuits.stages.agreement import write_agreement
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_agreement(
        study,
        model_json=snakemake.input.model,
        component=snakemake.wildcards.component,
        item_files=snakemake.input.item_files,
        baseline_files=snakemake.input.baselines,
        manifest=snakemake.input.manifest,
        table=snakemake.output.table,
        units=snakemake.output.units,
    )
