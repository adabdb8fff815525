"""Write what one model's networks do: tables, pages, courses."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.pipeline.network_pass import write_all

    given = snakemake.input
    write_all(
        study,
        model_json=given.model,
        template_files=dict(zip(snakemake.params.datasets, given.templates, strict=True)),
        editing_items=given.editing_items,
        probing_items=given.probing_items,
        manifest=given.manifest,
        folder=f"results/{snakemake.wildcards.model}/networks",
    )
