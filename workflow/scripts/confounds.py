"""Does the domain effect survive what prompts share on the surface?"""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.pipeline.confounds import write_confounds
    from brodmann.pipeline.inventory import Inventory

    write_confounds(
        Inventory.from_params(snakemake.params.matrices),
        study.statistics,
        surfaces=dict(zip(snakemake.params.models, snakemake.input.surfaces, strict=True)),
        output=snakemake.output[0],
    )
