"""Write one task's attribution, and its replicates, from the store."""

from brodmann.circuits.stages.attribution import write_attribution
from brodmann.pipeline import job

with job.running(snakemake) as study:
    write_attribution(
        study,
        model_json=snakemake.input.model,
        items_file=snakemake.input.item_file,
        second_file=snakemake.input.get("second"),
        baseline_file=snakemake.input.baseline,
        manifest=snakemake.input.manifest,
        component=snakemake.wildcards.component,
        output=snakemake.output.attribution,
        replicates=snakemake.output.replicates,
    )
