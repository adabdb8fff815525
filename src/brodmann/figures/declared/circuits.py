"""Figures of one model's circuits, some also of the average ({shown}): the main selection."""

from __future__ import annotations

from typing import Any

from brodmann.figures.registry import Files, Scene, family, figure, pooled, units_of

_Settings = dict[str, Any]


def _overlaps(scene: Scene) -> list[Scene]:
    return [
        scene.at(one.model, one.component)
        for one in scene.inventory.all_overlaps
        if one.sel == scene.selection and one.model in pooled(scene)
    ]


def _drops(scene: Scene) -> list[Scene]:
    return [
        scene.at(one.model, one.component)
        for one in scene.inventory.all_drops
        if (one.sel, one.kind) == (scene.ablated, scene.kind) and one.model in pooled(scene)
    ]


def _matrices(scene: Scene, *names: str) -> Files:
    folder = f"{scene.folder}/overlap/{scene.component}"
    return {name: f"{folder}/{scene.selection}.{name}.csv" for name in names}


def _read_overlaps(scene: Scene) -> Files:
    """Of models that were run, with the reliability of their circuits."""
    rates = ["reliability"] if scene.model in scene.models else []
    own = _matrices(scene, "containment", "doubly_stochastic", *rates)
    # Chord diagrams have one scale for all models, and so have heatmaps.
    same = (one for one in _overlaps(scene) if one.component == scene.component)
    return {**own, "every": [_matrices(one, "containment")["containment"] for one in same]}


def _read_effects(scene: Scene) -> Files:
    folder = f"{scene.folder}/ablation/{scene.component}/{scene.ablated}"
    return {
        "drops": f"{scene.lesions}.accuracy_drop.csv",
        "scores": f"{scene.lesions}.score.csv",
        "forecast": f"{folder}.forecast.csv",
        "lesions": [f"{folder}/{scene.kind}/{task}.csv" for task in scene.tasks],
    }


def _titled(scene: Scene, what: str, **settings: Any) -> _Settings:
    return {"title": f"{scene.whose}: {what}", **settings}


def _circuits(scene: Scene) -> str:
    return f"circuits of {scene.main}"


def _silenced(scene: Scene, **settings: Any) -> _Settings:
    return _titled(scene, scene.ablation, **settings)


FAMILIES = (
    family(
        "overlap_figures",
        "Drawing the overlaps of {wildcards.shown}",
        _overlaps,
        _read_overlaps,
        lambda scene: _titled(
            scene, _circuits(scene), chord_minimum=scene.study.figures.chord_minimum
        ),
        figure(
            "chord.{shown}.{component}",
            "chord:of_matrix",
            "Overlap of circuits",
            overlap="{scene.whose}: a band joins two tasks whose circuits share at least {scene.chord_minimum:g} % "
            "of their units; its width is that share, on one scale for all models. Circuits: {scene.main}.",
            behind="{scene.main}. A band joins two tasks whose circuits share at least {scene.chord_minimum:g} % of their units. Widths are "
            "on one scale for all models: where less is shared, bands are narrower.",
        ),
        figure(
            "overlap.containment.{shown}.{component}",
            "overlap:of_matrix",
            "Overlap of all pairs of tasks",
            overlap="{scene.whose}: shared units over circuit size ({scene.main}). White lines separate the domains; "
            "columns are numbered as the rows. One scale for all models.",
            behind="Shared units over circuit size, {scene.main}. One scale for all models.",
            options={"measure": "containment"},
        ),
        figure(
            "overlap.doubly_stochastic.{shown}.{component}",
            "overlap:of_matrix",
            "Overlap, doubly stochastic",
            behind="The diagonal is set to zero; rows and columns are scaled to 100 %. Grey: the diagonal, and tasks that "
            "share units with no other.",
            options={"measure": "doubly_stochastic"},
        ),
    ),
    family(
        "noise_corrected_figure",
        "Drawing the noise-corrected overlaps of {wildcards.model}",
        units_of(lambda study: study.run_models),
        lambda scene: _matrices(scene, "noise_corrected", "reliability"),
        lambda scene: _titled(scene, _circuits(scene)),
        figure(
            "overlap.noise_corrected.{model}.{component}",
            "overlap:of_matrix",
            "Overlap over its noise ceiling, {model}",
            certainty="Two tasks with the same circuit would be seen to overlap by the geometric mean of their "
            "reliabilities; overlaps are divided by it. Diagonal: reliability. Ceilings from "
            "halves of the items are too low, and the values therefore too high. The scale ends at 100 % (more is noise). "
            "Grey: no ceiling, or one below {low:g} % ({unknown} pairs).",
            options={"measure": "noise_corrected"},
        ),
    ),
    family(
        "ablation_heatmap",
        "Drawing the ablations of {wildcards.shown}",
        _drops,
        lambda scene: {"drops": f"{scene.lesions}.accuracy_drop.csv"},
        _silenced,
        figure(
            "ablation.{shown}.{component}",
            "ablation:of_matrix",
            "Accuracy lost",
            function="{scene.whose}: rows the silenced circuit, columns the task ({scene.ablation}; "
            "{scene.ablated_items} of a task that was run here). Numbers are whole per "
            "cent{scene.one_item}.",
            behind="Rows the silenced circuit, columns the task.",
        ),
    ),
    family(
        "effect_figures",
        "Drawing what lesions of {wildcards.model} do",
        units_of(lambda study: study.measured_models),
        _read_effects,
        lambda scene: _silenced(scene, tasks=scene.tasks),
        figure(
            "controls.{model}.{component}",
            "controls:of_lesions",
            "Circuits against random units, {model}",
            lesions="Accuracy lost, by domain of the task that is tested ({scene.ablation}; {scene.ablated_items}). "
            "Random units: as many as the circuit has, in each of its layers ({scene.layer_matched}; layer-matched) or in any "
            "layer ({scene.random}), seed {scene.study.ablation.seed}. Means are over the random units that were drawn for all "
            "circuits, not for the task's own alone. s.e.m.: over pairs of a circuit, or random units, and a task.",
        ),
        figure(
            "forecast.{model}.{component}",
            "ablation:of_forecast",
            "Forecast against measured, {model}",
            lesions="A mark per circuit and task, in the task's colour. The sum of the task's attributions over the silenced units "
            "forecasts, at first order, what its metric loses; 1 is all of it.",
        ),
    ),
    family(
        "agreement_figure",
        "Drawing estimated against true effects, {wildcards.model}",
        units_of(lambda study: study.run_models if study.attribution.agreement.plain_tasks else ()),
        lambda scene: {
            "table": f"{scene.folder}/attribution/{scene.component}.agreement.csv",
            "units": f"{scene.folder}/attribution/{scene.component}.agreement.units.csv",
        },
        lambda scene: _titled(scene, f"estimated and true effects of single {scene.units}"),
        figure(
            "agreement.{model}.{component}",
            "agreement:of_units",
            "Estimated against true effects",
            behind="A dot per unit: attribution against patching the unit.",
        ),
        method="agreement",
    ),
    family(
        "concentration_figure",
        "Drawing how few units carry the tasks of {wildcards.model}",
        units_of(lambda study: study.run_models),
        lambda scene: scene.attributions(scene.model),
        lambda scene: _titled(
            scene,
            f"how few {scene.units} carry a task",
            tasks=scene.tasks,
            percent=scene.study.selection.main,
        ),
        figure(
            "concentration.{model}.{component}",
            "concentration:of_attributions",
            "How few units carry a task",
            behind="Share of the sum of all absolute attributions that the strongest units hold: a pale line per "
            "task, the mean of each domain (number of tasks). Vertical: the size of circuits; dotted: if all units "
            "were alike.",
        ),
    ),
)
