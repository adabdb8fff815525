"""Figures of circuits that were found again without those before them."""

from __future__ import annotations

from collections.abc import Sequence

from brodmann.config.study import Study
from brodmann.figures.registry import Files, Scene, family, figure, units_of


def _models(study: Study) -> Sequence[str]:
    return study.faithfulness_models if study.faithfulness.rivals.rounds else ()


def _table(scene: Scene) -> Files:
    stem = f"{scene.folder}/faithfulness/{scene.component}.{scene.study.attribution.estimator}"
    return {"table": f"{stem}.rivals.csv"}


FAMILIES = (
    family(
        "rivals_figure",
        "Drawing the rival circuits of {wildcards.model}",
        units_of(_models),
        _table,
        lambda scene: {"title": f"{scene.whose}: circuits of {scene.units}, one after another"},
        figure(
            "rivals.{model}.{component}",
            "rivals:of_rivals",
            "Circuits found again without those before, {model}",
            rivals="Each rival is found while all circuits before it are held at their means. Above: what is kept of the "
            "task's metric by a circuit alone, by as many random units of its layers, and by everything but the circuits so "
            "far. Below: the share of its {scene.units} that lie in the layers of the task's own circuit, and that the own "
            "order ranks right behind the circuits before it. Bars: 95 % intervals over resampled tasks; pale: each "
            "task. Values beyond the axis are cut.",
        ),
    ),
)
