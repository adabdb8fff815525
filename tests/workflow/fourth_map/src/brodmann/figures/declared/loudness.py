"""The figure of loudness."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from brodmann.figures.panels import single
from brodmann.figures.registry import Asked, Files, family, figure
from brodmann.store.tables import read_table


def draw(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Loudness by layer."""
    table = read_table(files["loudness"])
    picture, axes = single(3.0)
    axes.plot(table["layer"], table["loudness"], "o")
    axes.set(xlabel="layer", ylabel="loudness")
    return picture, table


FAMILIES = (
    family(
        "loudness_figure",
        "Drawing the loudest units",
        lambda scene: [scene.at(model) for model in scene.models],
        lambda scene: {"loudness": f"{scene.folder}/loudness.csv"},
        lambda scene: {},
        figure(
            "loudness.{model}",
            "declared.loudness:draw",
            "Loudest units",
            loudness="Mean absolute activation.",
        ),
        method="loudness",
    ),
)
