"""Write one network's selectivity and the units that are selected by it."""

from brodmann.pipeline import job
from brodmann.pipeline.localizer import write_localizer

with job.running(snakemake) as study:
    write_localizer(
        study,
        model_json=snakemake.input.model,
        network=snakemake.wildcards.network,
        manifest=snakemake.input.manifest,
        output=snakemake.output[0],
    )
