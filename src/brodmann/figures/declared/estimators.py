"""The figure of estimators that are tried."""

from __future__ import annotations

from brodmann.figures.registry import Files, Scene, family, figure, units_of


def _read(scene: Scene) -> Files:
    stem = f"{scene.folder}/attribution/{scene.component}.estimators"
    return {"table": f"{stem}.csv", "summary": f"{stem}.summary.csv"}


FAMILIES = (
    family(
        "trials_figure",
        "Drawing how estimators compare, {wildcards.model}",
        units_of(lambda study: study.run_models if study.attribution.agreement.tried_tasks else ()),
        _read,
        lambda scene: {"title": f"{scene.whose}: which estimator finds {scene.units}"},
        figure(
            "estimators.{model}.{component}",
            "estimators:of_trials",
            "Which estimator",
            estimators="A dot per task, and the mean with its 95 % interval over resampled tasks. Left: Spearman's "
            "correlation of estimated with true effects of single units, at the same tokens; reliability: what circuits of "
            "{scene.main} share that come from two halves of the items. CPR (where circuits are tested alone): area under the "
            "faithfulness of circuits by the estimator's order.",
        ),
        method="agreement",
    ),
)
