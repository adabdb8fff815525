"""Write one network's selectivity and the units that are selected by it."""

from brodmann.localizers.stages.localizer import write_localizer
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_localizer(
        study,
        model_json=snakemake.input.model,
        network=snakemake.wildcards.network,
        manifest=snakemake.input.manifest,
        output=snakemake.output[0],
    )
