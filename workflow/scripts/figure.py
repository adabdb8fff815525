"""Draw the figures of the rule, of the wildcards' model and kind of unit."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.draw import draw_family

    here = snakemake.wildcards
    draw_family(
        snakemake.rule,
        dict(snakemake.input.items()),
        snakemake.params.settings,
        model=here.get("shown") or here.get("model", ""),
        component=here.get("component", ""),
    )
