"""Figures of one model's circuits, some also of the average ({shown}): the main selection."""

from __future__ import annotations

from brodmann.figures.registry import Family, Figure, Files, Place, Scene, pooled, units_of


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


def _matrix(scene: Scene, what: str) -> str:
    return f"{scene.folder}/overlap/{scene.component}/{scene.selection}.{what}.csv"


def _read_overlaps(scene: Scene) -> Files:
    """Of models that were run, with the reliability of their circuits."""
    names = ["containment", "doubly_stochastic"]
    names += ["reliability"] if scene.model in scene.study.run_models else []
    return {name: _matrix(scene, name) for name in names}


def _read_effects(scene: Scene) -> Files:
    folder = f"{scene.folder}/ablation/{scene.component}/{scene.ablated}"
    return {
        "drops": f"{scene.lesions}.accuracy_drop.csv",
        "scores": f"{scene.lesions}.score.csv",
        "forecast": f"{folder}.forecast.csv",
        "lesions": [f"{folder}/{scene.kind}/{task}.csv" for task in scene.tasks],
    }


def _selected(scene: Scene) -> dict:
    return {"title": f"{scene.model}, {scene.component}, {scene.selection}"}


def _silenced(scene: Scene) -> dict:
    return {"title": f"{scene.model}, {scene.component}, {scene.ablated}, {scene.kind}"}


def _draws(number: int) -> str:
    return "1 draw" if number == 1 else f"{number} draws"


def _against_random(scene: Scene) -> str:
    settings = scene.study.ablation
    return (
        f"Accuracy lost, by domain of the task that is tested ({scene.ablation}; {scene.ablated_items}). Layer-matched: as "
        f"many random units in every layer ({_draws(settings.layer_matched_trials)}); random: of any layer "
        f"({_draws(settings.random_trials)}), seed {settings.seed}."
    )


FAMILIES = (
    Family(
        "overlap_figures",
        "Drawing the overlaps of {wildcards.shown}",
        (
            Figure(
                "chord.{shown}.{component}",
                "chord:of_matrix",
                "Overlap of circuits",
                (
                    Place(
                        "overlap",
                        lambda scene: (
                            f"{scene.model}: a band joins two tasks whose circuits share at least "
                            f"{100 * scene.study.figures.chord_minimum:g} % of their units; its width is that share. Circuits: "
                            f"{scene.main}."
                        ),
                    ),
                    Place("behind", lambda scene: f"{scene.main}."),
                ),
            ),
            Figure(
                "overlap.containment.{shown}.{component}",
                "overlap:of_matrix",
                "Overlap of all pairs of tasks",
                (
                    Place(
                        "overlap",
                        lambda scene: (
                            f"{scene.model}: shared units over circuit size ({scene.main}). White lines part the domains."
                        ),
                    ),
                    Place("behind", lambda scene: f"Shared units over circuit size, {scene.main}."),
                ),
                {"measure": "containment"},
            ),
            Figure(
                "overlap.doubly_stochastic.{shown}.{component}",
                "overlap:of_matrix",
                "Overlap, doubly stochastic",
                (
                    Place(
                        "behind",
                        "Diagonal set to zero, rows and columns scaled to one. Grey: tasks that share units with no other.",
                    ),
                ),
                {"measure": "doubly_stochastic"},
            ),
        ),
        _overlaps,
        _read_overlaps,
        lambda scene: _selected(scene) | {"chord_minimum": scene.study.figures.chord_minimum},
    ),
    Family(
        "noise_corrected_figure",
        "Drawing the noise-corrected overlaps of {wildcards.model}",
        (
            Figure(
                "overlap.noise_corrected.{model}.{component}",
                "overlap:of_matrix",
                "Overlap over its noise ceiling, {model}",
                (
                    Place(
                        "certainty",
                        "Two tasks with the same circuit would be seen to overlap by the geometric mean of their "
                        "reliabilities; overlaps are divided by it. Diagonal: reliability. The scale ends at 1 (more is "
                        "noise). Grey: no ceiling, or one below {low:g} ({unknown} pairs).",
                    ),
                ),
                {"measure": "noise_corrected"},
            ),
        ),
        units_of(lambda study: study.run_models),
        lambda scene: {name: _matrix(scene, name) for name in ("noise_corrected", "reliability")},
        _selected,
    ),
    Family(
        "ablation_heatmap",
        "Drawing the ablations of {wildcards.shown}",
        (
            Figure(
                "ablation.{shown}.{component}",
                "ablation:of_matrix",
                "Accuracy lost",
                (
                    Place(
                        "function",
                        lambda scene: (
                            f"{scene.model}: rows the silenced circuit, columns the task ({scene.ablation}; "
                            f"{scene.ablated_items} of a task that was run here)."
                        ),
                    ),
                    Place("behind", "Rows the silenced circuit, columns the task."),
                ),
            ),
        ),
        _drops,
        lambda scene: {"drops": f"{scene.lesions}.accuracy_drop.csv"},
        _silenced,
    ),
    Family(
        "effect_figures",
        "Drawing what lesions of {wildcards.model} do",
        (
            Figure(
                "controls.{model}.{component}",
                "controls:of_lesions",
                "Circuits against random lesions, {model}",
                (Place("lesions", _against_random),),
            ),
            Figure(
                "forecast.{model}.{component}",
                "ablation:of_forecast",
                "Forecast against measured, {model}",
                (
                    Place(
                        "lesions",
                        "The sum of a task's attributions over the silenced units forecasts, at first order, what the metric "
                        "loses.",
                    ),
                ),
            ),
        ),
        units_of(lambda study: study.measured_models),
        _read_effects,
        lambda scene: _silenced(scene) | {"tasks": scene.tasks},
    ),
    Family(
        "agreement_figure",
        "Drawing estimated against true effects, {wildcards.model}",
        (
            Figure(
                "agreement.{model}.{component}",
                "agreement:of_units",
                "Estimated against true effects",
                (Place("behind", "A dot per unit: attribution against patching the unit."),),
            ),
        ),
        units_of(lambda study: study.run_models if study.attribution.agreement_tasks else ()),
        lambda scene: {
            "table": f"{scene.folder}/attribution/{scene.component}.agreement.csv",
            "units": f"{scene.folder}/attribution/{scene.component}.agreement.units.csv",
        },
        lambda scene: {"title": f"{scene.model}, {scene.component}"},
        method="agreement",
    ),
    Family(
        "concentration_figure",
        "Drawing how few units carry the tasks of {wildcards.model}",
        (
            Figure(
                "concentration.{model}.{component}",
                "concentration:of_attributions",
                "How few units carry a task",
                (
                    Place(
                        "behind",
                        "Share of the sum of all absolute attributions that the strongest units hold: a pale line per task, "
                        "the mean of each domain (number of tasks). Vertical: the size of circuits; dotted: if all units were "
                        "alike.",
                    ),
                ),
            ),
        ),
        units_of(lambda study: study.run_models),
        lambda scene: {
            "attributions": [
                f"{scene.folder}/attribution/{scene.component}/{task}.safetensors"
                for task in scene.tasks
            ]
        },
        lambda scene: {
            "title": f"{scene.model}, {scene.component}",
            "tasks": scene.tasks,
            "percent": scene.study.selection.main,
        },
    ),
)
