"""Write what one model's networks do: tables, pages, courses."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.comparison.stages.network_use import write_all
    from brodmann.figures.network_use import save_example

    given = snakemake.input
    write_all(
        study,
        model_json=given.model,
        template_files=dict(zip(snakemake.params.datasets, given.templates, strict=True)),
        editing_items=given.editing_items,
        probing_items=given.probing_items,
        manifest=given.manifest,
        folder=f"results/{snakemake.wildcards.model}/networks",
        draw=save_example,
    )
