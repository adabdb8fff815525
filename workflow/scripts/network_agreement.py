"""Compare one model's networks with its circuits and localized units."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.comparison.stages.maps import write_agreement
    from brodmann.comparison.stages.network_use import use_stage

    given, asked = snakemake.input, snakemake.params
    templates = dict(zip(asked.datasets, given.templates, strict=True))
    write_agreement(
        use_stage(study, given.model, templates),
        manifest=given.manifest,
        localizer_manifest=given.localizer,
        mask_files=dict(zip(asked.tasks, given.masks, strict=True)),
        output=snakemake.output.table,
        shares_output=snakemake.output.layers,
    )
