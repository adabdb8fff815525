"""Figures of how alike circuits of resampled items are."""

from __future__ import annotations

from brodmann.config.attribution import STABLE
from brodmann.figures.registry import Scene, family, figure, units_of


def _curves(scene: Scene) -> dict[str, str]:
    stem = f"{scene.folder}/overlap/{scene.component}/{scene.selection}.stability"
    return {"table": f"{stem}.curve.csv"}


FAMILIES = (
    family(
        "stability_figure",
        "Drawing how alike circuits of {wildcards.model} are, by the number of items",
        units_of(lambda study: study.run_models if study.attribution.stability.items else ()),
        _curves,
        lambda scene: {"title": f"{scene.whose}: circuits of resampled items ({scene.main})"},
        figure(
            "stability.{model}.{component}",
            "stability:of_curves",
            "How many items a circuit needs, {model}",
            stability="Share of the units of either that circuits of resampled items have in common (Jaccard, mean over all "
            "pairs of {scene.study.attribution.stability.draws} lists): a pale line per task, the mean of each domain. "
            f"Horizontal: {STABLE:g}, from which on circuits are called stable.",
        ),
    ),
)
