"""What the tasks' prompts have in common, in the tokens of one model."""

from brodmann.pipeline import job

with job.running(snakemake) as study:
    from brodmann.statistics.stages.surface import write_surface

    write_surface(
        study,
        model_json=snakemake.input.model,
        record_file=snakemake.input.record,
        item_files=snakemake.input.item_files,
        output=snakemake.output[0],
    )
