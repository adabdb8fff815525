"""Write the table of one network's lesions."""

from brodmann.pipeline import job
from brodmann.pipeline.lesion import write_table_of

with job.running(snakemake) as study:
    write_table_of(
        study,
        model_json=snakemake.input.model,
        item_files=snakemake.input.item_files,
        localizer_manifest=snakemake.input.localizer,
        manifest=snakemake.input.manifest,
        network=snakemake.wildcards.network,
        output=snakemake.output[0],
    )
