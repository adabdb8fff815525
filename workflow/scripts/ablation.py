"""Write the tables of one target: every circuit and control on its items."""

from brodmann.circuits.stages.ablation import write_tables
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_tables(
        study,
        model_json=snakemake.input.model,
        item_files=snakemake.input.item_files,
        baseline_files=snakemake.input.baselines,
        mask_folder=f"results/{snakemake.wildcards.model}/masks",
        manifest=snakemake.input.manifest,
        task=snakemake.wildcards.task,
        component=snakemake.wildcards.component,
        outputs=snakemake.output,
    )
