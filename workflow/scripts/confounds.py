"""Does the domain effect survive what prompts share on the surface?"""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.statistics.inventory import Inventory
    from brodmann.statistics.stages.confounds import write_confounds

    write_confounds(
        Inventory.from_params(snakemake.params.matrices),
        study.statistics,
        surfaces=dict(zip(snakemake.params.models, snakemake.input.surfaces, strict=True)),
        output=snakemake.output[0],
    )
