"""Draw the accuracy of all models on all tasks."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.analysis.accuracy import accuracy_table
    from brodmann.figures.accuracy import draw_accuracy
    from brodmann.figures.style import save_figure

    table = accuracy_table("results", snakemake.params.models, snakemake.params.tasks)
    figure = draw_accuracy(table, controls=snakemake.params.controls)
    save_figure(figure, snakemake.output.png, snakemake.output.pdf)
    table.write_csv(snakemake.output.csv)
