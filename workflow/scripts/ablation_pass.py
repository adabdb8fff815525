"""Measure, for one model, the lesions of all targets that its store does not hold yet."""

from brodmann.circuits.stages.ablation import run_pass
from brodmann.pipeline import job

with job.running(snakemake) as study:
    run_pass(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        item_files=snakemake.input.item_files,
        baseline_files=snakemake.input.baselines,
        mask_folder=f"results/{snakemake.wildcards.model}/masks",
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
