"""Compare the circuits of one model and component with each other."""

from brodmann.pipeline import job
from brodmann.pipeline.overlap import write_overlaps

with job.running(snakemake) as study:
    write_overlaps(
        study,
        model_json=snakemake.input.model,
        component=snakemake.wildcards.component,
        tasks=snakemake.params.tasks,
        baseline_files=snakemake.input.baselines,
        mask_folder=snakemake.params.mask_folder,
        replicate_files=snakemake.input.replicates,
        folder=snakemake.params.folder,
    )
