"""Draw the overlap of one model's circuits, or of the average: heatmaps and chord diagram."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.jobs.studies import overlap_figures

    here, asked = snakemake.wildcards, snakemake.params
    named = f"{here.shown}.{here.component}"
    stems = {measure: f"results/figures/overlap.{measure}.{named}" for measure in asked.measures}
    overlap_figures(
        {measure: snakemake.input[measure] for measure in asked.measures},
        snakemake.input.get("reliability"),
        title=f"{here.shown}, {here.component}, {asked.selection}",
        chord_minimum=asked.chord_minimum,
        stems={**stems, "chord": f"results/figures/chord.{named}"},
    )
