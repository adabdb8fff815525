"""Measure, for one model, what its networks do, as far as its store does not hold it yet."""

from brodmann.comparison.stages.network_use import run_pass
from brodmann.pipeline import job

with job.running(snakemake) as study:
    given = snakemake.input
    run_pass(
        study,
        model_json=given.model,
        record_file=given.record,
        template_files=dict(zip(snakemake.params.datasets, given.templates, strict=True)),
        editing_items=given.editing_items,
        probing_items=given.probing_items,
        manifest=snakemake.output[0],
        threads=snakemake.threads,
    )
