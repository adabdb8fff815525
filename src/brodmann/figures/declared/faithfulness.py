"""Figures of whether circuits are enough: the first sign and kind of ``faithfulness:``."""

from __future__ import annotations

from brodmann.figures.registry import SILENCED, Files, Scene, family, figure, units_of


def _tables(scene: Scene) -> Files:
    stem = f"{scene.folder}/faithfulness/{scene.component}.{scene.study.attribution.estimator}"
    return {"curves": f"{stem}.csv", "areas": f"{stem}.areas.csv"}


def _settings(scene: Scene) -> dict[str, str]:
    asked = scene.study.faithfulness
    title = f"{scene.whose}: {scene.units} outside the circuit {SILENCED[asked.kinds[0]]}"
    return {"title": title, "sign": asked.signs[0], "kind": asked.kinds[0]}


def _whole(scene: Scene) -> bool:
    """Whether every task lent its order to every tested one: else most of the matrix is empty."""
    asked = scene.study.faithfulness
    return asked.same_domain == asked.other_domains == "all"


FAMILIES = (
    family(
        "faithfulness_figures",
        "Drawing the faithfulness of circuits of {wildcards.model}",
        units_of(lambda study: study.faithfulness_models),
        _tables,
        _settings,
        figure(
            "faithfulness.{model}.{component}",
            "faithfulness:of_curves",
            "Faithfulness against size, {model}",
            sufficiency="What is kept of the task's metric (1: all; 0: as on the corrupted prompt) if only the best {scene.units} keep their activations. Lines: mean over "
            "the tasks of a domain (their number), by whose order the units are taken in; pale: each task's own. Sizes "
            "stand side by side, evenly. Values beyond the axis are cut; means of own orders are printed there.",
        ),
        figure(
            "faithfulness_areas.{model}.{component}",
            "faithfulness:of_areas",
            "Whose circuit is enough for which task, {model}",
            when=_whole,
            sufficiency="Area under the curve of faithfulness over the share of {scene.units} that is kept (CPR, times 100). "
            "Rows: the task whose order it is; columns, numbered as the rows: the task that is tested. White lines separate the domains; grey: not tried.",
        ),
    ),
)
