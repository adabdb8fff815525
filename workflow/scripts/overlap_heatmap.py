"""Draw one overlap matrix, its reliability on the diagonal."""

from brodmann.pipeline import job

with job.running(snakemake):
    import pandas as pd

    from brodmann.figures.overlap import draw_overlap
    from brodmann.figures.style import save_figure
    from brodmann.pipeline.tables import read_matrix, write_matrix

    here = snakemake.wildcards
    table = read_matrix(snakemake.input.matrix)
    rates = pd.read_csv(snakemake.input.reliability).set_index("task")
    column = {"containment": "ceiling", "noise_corrected": "ceiling", "jaccard": "split_jaccard"}
    figure = draw_overlap(
        table,
        here.measure,
        reliability=rates[column[here.measure]] if here.measure in column else None,
        title=f"{here.model}, {here.component}, {snakemake.params.selection}",
    )
    save_figure(figure, snakemake.output.png, snakemake.output.pdf)
    write_matrix(snakemake.output.csv, table)
