"""Draw estimated against true effects of single units."""

from brodmann.pipeline import job

with job.running(snakemake):
    import pandas as pd

    from brodmann.figures.agreement import draw_agreement
    from brodmann.figures.style import save_figure
    from brodmann.files import write_text

    here = snakemake.wildcards
    units = pd.read_csv(snakemake.input.units)
    figure = draw_agreement(
        units, pd.read_csv(snakemake.input.table), title=f"{here.model}, {here.component}"
    )
    save_figure(figure, snakemake.output.png, snakemake.output.pdf)
    write_text(snakemake.output.csv, units.to_csv(index=False, lineterminator="\n"))
