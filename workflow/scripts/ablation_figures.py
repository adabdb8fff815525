"""Draw the accuracy drops of one model, and forecast against measured effects."""

from pathlib import Path

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.ablation import draw_ablation, draw_forecast, pairs
    from brodmann.figures.style import save_figure
    from brodmann.files import write_text
    from brodmann.pipeline.tables import read_matrix, write_matrix

    here = snakemake.wildcards
    title = f"{here.model}, {here.component}, {snakemake.params.title}"
    drops, scores = read_matrix(snakemake.input.drops), read_matrix(snakemake.input.scores)
    table = pairs(read_matrix(snakemake.input.forecast), scores, drops)
    for name, figure in (
        ("ablation", draw_ablation(drops, title=title)),
        ("forecast", draw_forecast(table, title=title)),
    ):
        png = Path(snakemake.output[name])
        save_figure(figure, png, png.with_suffix(".pdf"))
    write_matrix(Path(snakemake.output.ablation).with_suffix(".csv"), drops)
    write_text(
        Path(snakemake.output.forecast).with_suffix(".csv"),
        table.to_csv(index=False, float_format="%.10g", lineterminator="\n"),
    )
