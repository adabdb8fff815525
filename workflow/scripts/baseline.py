"""Write one task's baseline from the stored scores."""

from brodmann.circuits.stages.baseline import write_baseline
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_baseline(
        study,
        model_json=snakemake.input.model,
        items_file=snakemake.input.item_file,
        manifest=snakemake.input.manifest,
        output=snakemake.output[0],
        lender=snakemake.input.get("lender"),
    )
