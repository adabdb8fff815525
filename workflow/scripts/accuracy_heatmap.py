"""Draw the accuracy of all models on all tasks."""

from brodmann.pipeline import job

with job.running(snakemake):
    from brodmann.figures.accuracy import draw_accuracy
    from brodmann.figures.style import save_figure
    from brodmann.statistics.accuracy import accuracy_table, imported_accuracies
    from brodmann.store.tables import read_matrix

    asked = snakemake.params
    table = accuracy_table("results", asked.models, asked.tasks)
    imported = dict(zip(asked.imported, snakemake.input.imported, strict=True))
    included = {model: [] for model in asked.imported}
    for model, path in zip(asked.matrix_models, snakemake.input.matrices, strict=True):
        included[model] = list(read_matrix(path).index)
    table = table.joined(imported_accuracies(imported, included))
    figure = draw_accuracy(table, controls=asked.controls)
    save_figure(figure, *[file for file in snakemake.output if not file.endswith(".csv")])
    table.write_csv("results/figures/accuracy_heatmap.csv")
