"""Jobs that set maps side by side: what the rule of the same name hands over to its function."""

from brodmann.pipeline import job

given, made, asked, here = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards


def templates():
    """Dataset -> file of its networks."""
    return dict(zip(asked.datasets, given.templates, strict=True))


def network_use_pass(study):
    """Measure, for one model, what its networks do, as far as its store does not hold it yet."""
    from brodmann.comparison.stages.network_use import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        template_files=templates(),
        editing_items=given.editing_items,
        probing_items=given.probing_items,
        manifest=made[0],
        threads=snakemake.threads,
    )


def network_use(study):
    """Write what one model's networks do: tables, pages, courses."""
    from brodmann.comparison.stages.network_use import write_all
    from brodmann.figures.network_use import save_example

    write_all(
        study,
        model_json=given.model,
        template_files=templates(),
        editing_items=given.editing_items,
        probing_items=given.probing_items,
        manifest=given.manifest,
        folder=f"results/{here.model}/networks",
        draw=save_example,
    )


def network_agreement(study):
    """Compare one model's networks with its circuits and localized units."""
    from brodmann.comparison.stages.maps import write_agreement
    from brodmann.comparison.stages.network_use import use_stage

    write_agreement(
        use_stage(study, given.model, templates()),
        manifest=given.manifest,
        localizer_manifest=given.localizer,
        mask_files=dict(zip(asked.tasks, given.masks, strict=True)),
        output=made.table,
        shares_output=made.layers,
    )


def written(study):
    """What the circuits of one model write on localized units."""
    from brodmann.comparison.stages.written import write_written

    write_written(
        study,
        model_json=given.model,
        localizer_manifest=given.localizer,
        manifest=given.manifest,
        mask_files=dict(zip(asked.tasks, given.masks, strict=True)),
        network=here.network,
        output=made[0],
    )


job.run(snakemake, globals())
