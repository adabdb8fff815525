"""Compare the circuits of one model and component with each other."""

from brodmann.circuits.stages.overlap import write_overlaps
from brodmann.pipeline import job

with job.running(snakemake) as study:
    here = snakemake.wildcards
    write_overlaps(
        study,
        model_json=snakemake.input.model,
        component=snakemake.wildcards.component,
        tasks=snakemake.params.tasks,
        baseline_files=snakemake.input.baselines,
        mask_folder=f"results/{here.model}/masks/{here.component}",
        replicate_files=snakemake.input.replicates,
        folder=f"results/{here.model}/overlap/{here.component}",
    )
