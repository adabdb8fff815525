"""Jobs that come before every map: settings, items, weights, model cards."""

from brodmann.pipeline import job

given, made, asked, here = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards


def settings(_):
    """Write a stage's settings to a file that other jobs can depend on."""
    from brodmann.files import write_json

    write_json(made[0], asked.settings)


def expand_items(study):
    """Expand one task to its items."""
    from brodmann.pipeline.items import expand_task

    expand_task(study, here.task, definition=given[0], output=made[0])


def expand_second_items(study):
    """Expand one task to its items of the next seed."""
    from brodmann.pipeline.items import expand_task

    expand_task(study, here.task, definition=given[0], output=made[0], second=True)


def fetch_model(study):
    """Make a model's weights available in the cache and record which they are."""
    from brodmann.pipeline.models import fetch_weights

    fetch_weights(study, here.model, made[0])


def check_model(study):
    """Load a model once, prove its unit mapping, and write its card."""
    from brodmann.pipeline.models import check_model

    check_model(
        study,
        here.model,
        record_file=given.record,
        store=asked.store,
        output=made[0],
        threads=snakemake.threads,
    )


job.run(snakemake, globals())
