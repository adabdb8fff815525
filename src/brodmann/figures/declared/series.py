"""Figures of series of checkpoints."""

from __future__ import annotations

from brodmann.figures.registry import Scene, family, figure


def _with_series(scene: Scene) -> list[Scene]:
    return [scene] if scene.study.series else []


FAMILIES = (
    family(
        "series_figure",
        "Drawing what changes along the series",
        _with_series,
        lambda scene: {"series": "results/statistics/series.csv"},
        lambda scene: {"component": scene.study.attribution.components[0]},
        figure(
            "series",
            "series:of_series",
            "Along the series",
            overview="Checkpoints of a series along its axis, a line for each series. Shares of items with their 95 % "
            "intervals (Wilson, items pooled over tasks); differences are means within less means across domains. "
            "Open marks: p of 0.05 or more against shuffled domains. Localizers: accuracy with the localized units held at "
            "zero (solid) and with as many random units (dashed). CPR (where circuits are tested alone): units taken by the "
            "task's own order (solid) and at random (dashed); 95 % intervals over resampled tasks.",
        ),
    ),
)
