"""Jobs of networks: what the rule of the same name hands over, in the words of its function."""

from itertools import product

from brodmann.pipeline import job

given, made, asked = snakemake.input, snakemake.output, snakemake.params


def networks_pass(study):
    """Decompose, for one model, the signals of all datasets that its store does not hold yet."""
    from brodmann.networks.stages.decomposition import run_pass

    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        manifest=made[0],
        threads=snakemake.threads,
    )


def network_tables(study):
    """Write a model's networks, and the tables over all of them."""
    from brodmann.networks.stages.decomposition import write_networks

    write_networks(
        study,
        model_json=given.model,
        manifest=given.manifest,
        templates=made.templates,
        tables={name: made[name] for name in asked.tables},
    )


def fingerprint(_):
    """Set the networks of every two models side by side."""
    from brodmann.networks.stages.following import write_fingerprint

    files = dict(zip(product(asked.models, asked.datasets), given, strict=True))
    write_fingerprint(files, output=made.fingerprint, across=made.connectivity)


job.run(snakemake, globals())
