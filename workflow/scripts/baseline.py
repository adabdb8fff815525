"""Write one task's baseline from the stored scores."""

from brodmann.pipeline import job
from brodmann.pipeline.baseline import write_baseline

with job.running(snakemake) as study:
    write_baseline(
        study,
        model_json=snakemake.input.model,
        items_file=snakemake.input.item_file,
        manifest=snakemake.input.manifest,
        output=snakemake.output[0],
        lender=snakemake.input.get("lender"),
    )
