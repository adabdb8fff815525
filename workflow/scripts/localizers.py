"""Jobs of localizers: what the rule of the same name hands over, in the words of its function."""

from brodmann.pipeline import job

given, made, here = snakemake.input, snakemake.output, snakemake.wildcards


def localizer_pass(study):
    """Measure, for one model, the selectivity for all contrasts that its store does not hold yet."""
    from brodmann.localizers.stages.localizer import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        manifest=made[0],
        threads=snakemake.threads,
    )


def localizer(study):
    """Write one localizer's selectivity and the units that are selected by it."""
    from brodmann.localizers.stages.localizer import write_localizer

    write_localizer(
        study,
        model_json=given.model,
        network=here.network,
        manifest=given.manifest,
        output=made[0],
    )


def lesion_pass(study):
    """Measure, for one model, the lesions of localized units that its store does not hold yet."""
    from brodmann.localizers.stages.lesion import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        item_files=given.item_files,
        localizer_manifest=given.localizer,
        manifest=made[0],
        threads=snakemake.threads,
    )


def lesion(study):
    """Write the table of one localizer's lesions."""
    from brodmann.localizers.stages.lesion import write_table_of

    write_table_of(
        study,
        model_json=given.model,
        item_files=given.item_files,
        localizer_manifest=given.localizer,
        manifest=given.manifest,
        network=here.network,
        output=made[0],
    )


job.run(snakemake, globals())
