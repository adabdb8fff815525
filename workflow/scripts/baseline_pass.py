"""Score, for one model, the answers of all tasks that its store does not hold yet."""

from brodmann.circuits.stages.baseline import run_pass
from brodmann.pipeline import job

with job.running(snakemake) as study:
    run_pass(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        item_files=snakemake.input.item_files,
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
