"""The figure of the atlas."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from brodmann.figures.panels import single
from brodmann.figures.registry import Asked, Files, family, figure
from brodmann.store.tables import read_table


def draw(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Loudness by layer."""
    table = read_table(files["atlas"])
    picture, axes = single(3.0)
    axes.plot(table["layer"], table["loudness"], "o")
    axes.set(xlabel="layer", ylabel="loudness")
    return picture, table


FAMILIES = (
    family(
        "atlas_figure",
        "Drawing the loudest units",
        lambda scene: [scene.at(model) for model in scene.models],
        lambda scene: {"atlas": f"{scene.folder}/atlas.csv"},
        lambda scene: {},
        figure(
            "atlas.{model}",
            "declared.atlas:draw",
            "Loudest units",
            atlas="Mean absolute activation.",
        ),
        method="atlas",
    ),
)
