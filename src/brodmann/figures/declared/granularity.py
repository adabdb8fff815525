"""Figures of circuits whose units are larger."""

from __future__ import annotations

from brodmann.figures.registry import family, figure

FAMILIES = (
    family(
        "granularity_figure",
        "Drawing the granularity of {wildcards.model}'s circuits",
        lambda scene: [scene.at(model) for model in scene.study.granular_models],
        lambda scene: {"table": "results/statistics/granularity.csv"},
        lambda scene: {
            "model": scene.model,
            "title": f"{scene.whose}: lesions of small and large units",
        },
        figure(
            "granularity.{model}",
            "granularity:of_levels",
            "How specific lesions are, by size of the units, {model}",
            granularity="Above: what circuits of a task's domain cost it, over what circuits of other domains do (1: not "
            "specific). Below: share of the metric lost, by whose circuit is silenced; random units are as many as the task's "
            "own circuit has, or hold as much attribution ({scene.random}). Bars: 95 % intervals over resampled "
            "tasks. A ratio without one is left out.",
        ),
    ),
)
