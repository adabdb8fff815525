"""Write the long tables of the rule."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.statistics.inventory import Inventory
    from brodmann.statistics.study_tables import write_statistics

    surfaces = snakemake.input.get("surfaces", [])
    write_statistics(
        snakemake.rule,
        Inventory.from_params(snakemake.params.matrices),
        study.statistics,
        dict(snakemake.output.items()),
        dict(zip(snakemake.params.models if surfaces else [], surfaces, strict=True)),
    )
