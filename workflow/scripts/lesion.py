"""Write the table of one network's lesions."""

from brodmann.localizers.stages.lesion import write_table_of
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_table_of(
        study,
        localizer_manifest=snakemake.input.localizer,
        manifest=snakemake.input.manifest,
        network=snakemake.wildcards.network,
        output=snakemake.output[0],
    )
