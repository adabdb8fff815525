"""Figures that compare models, domains and sizes of circuits."""

from __future__ import annotations

from typing import Any

from brodmann.figures.registry import Files, Scene, every_component, family, figure, once

# The long tables that figures read.
_TABLES = ("domain_modularity", "consistency", "threshold_robustness", "confounds")
_TABLES += ("structure_function",)


def _ran(scene: Scene) -> bool:
    return bool(scene.models)


def _several(scene: Scene) -> bool:
    return len(scene.compared) > 1


def _imported_overlaps(scene: Scene) -> dict[str, str]:
    """Model -> overlaps that were taken over, of the main size: they say which tasks the model has."""
    main = scene.study.attribution.components[:1], scene.selection
    return {
        one.model: one.path()
        for one in scene.inventory.overlaps
        if one.model in scene.study.imported_models and ((one.component,), one.sel) == main
    }


def _read_accuracies(scene: Scene) -> Files:
    baselines = [f"results/{m}/baseline/{task}.json" for m in scene.models for task in scene.tasks]
    return {
        "baselines": baselines,
        "imported": [f"results/{model}/accuracy.csv" for model in scene.study.imported_models],
        "matrices": list(_imported_overlaps(scene).values()),
    }


def _accuracies(scene: Scene) -> dict[str, Any]:
    return {
        "models": scene.models,
        "imported": list(scene.study.imported_models),
        "matrix_models": list(_imported_overlaps(scene)),
        "tasks": scene.tasks,
        "controls": scene.controls,
    }


def _read_tables(scene: Scene) -> Files:
    tables = {name: f"results/statistics/{name}.csv" for name in _TABLES}
    return {"matrices": scene.inventory.files, **tables}


def _compared(scene: Scene) -> dict[str, Any]:
    return {
        "matrices": scene.inventory.to_params(),
        "component": scene.component,
        "overlap_sel": scene.selection,
        "drop_sel": scene.ablated,
        "kind": scene.kind,
    }


def _depth(scene: Scene) -> dict[str, Any]:
    percent = scene.study.selection.main
    return {
        "models": scene.models,
        "tasks": scene.tasks,
        "controls": scene.controls,
        "percent": percent,
        "form": scene.study.figures.composition,
        "title": f"The strongest {percent:g} % of {scene.units} of each domain",
    }


FAMILIES = (
    family(
        "accuracy_heatmap",
        "Drawing the accuracy heatmap",
        once,
        _read_accuracies,
        _accuracies,
        figure(
            "accuracy_heatmap",
            "accuracy:of_models",
            "Accuracy",
            overview="Share of token-aligned minimal pairs of which a model gets both the clean and the corrupted "
            "problem right; independent guesses reach 25 %. Colours run from 50 to 100 %. Crossed out: not included. "
            "Grey: not known. {rule}",
        ),
        method="accuracy",
    ),
    family(
        "study_figures",
        "Drawing what compares models and domains",
        every_component,
        _read_tables,
        _compared,
        figure(
            "domains_overlap.{component}",
            "domains:of_study",
            "Overlap within each domain and with the others",
            overlap="Mean over pairs of tasks, each counted once, with its 95 % interval over resampled tasks; "
            "printed: pairs. Controls have panels of their own.",
            options={"drop": False},
        ),
        figure(
            "domains_ablation.{component}",
            "domains:of_study",
            "Accuracy lost within each domain, and to and from the others",
            function="Mean over ordered pairs of a circuit and a task, with its 95 % interval over resampled tasks; "
            "printed: pairs.",
            options={"drop": True},
        ),
        figure(
            "structure_function.{component}",
            "consistency:of_cells",
            "Does overlap predict what breaks?",
            function="Ordered pairs of tasks: overlap of the two circuits against the accuracy that silencing one "
            "costs the other; larger marks stand for more pairs; the line is the least-squares fit.",
        ),
        figure(
            "consistency_ablation.{component}",
            "consistency:of_models",
            "Agreement between models on what breaks",
            function="Kendall's tau over all ordered pairs of the tasks that {scene.common_tasks}; controls are left "
            "out.",
            when=_several,
            options={"drop": True},
        ),
        figure(
            "robustness.{component}",
            "robustness:of_sizes",
            "Size of the circuits",
            sizes="Overlap within and across domains, their ratio, and agreement of clusters with domains, against "
            "the size of the circuits in per cent of all units, on a logarithmic axis. Intervals are not drawn: those of "
            "the excess over the untrained model are in the table.",
        ),
        figure(
            "consistency_overlap.{component}",
            "consistency:of_models",
            "Agreement between models",
            sizes="Kendall's tau of the overlaps of all pairs of tasks that {scene.common_tasks}; controls are left "
            "out.",
            when=_several,
            options={"drop": False},
        ),
        figure(
            "confounds.{component}",
            "confounds:of_study",
            "Same domain beside surface similarity",
            surface="Coefficient of same domain (what pairs of one domain have more) in a regression of all pairs of tasks, alone (filled) and beside the "
            "similarity of answers, last prompt token, prompt tokens and format (open). Intervals: 95 %, tasks "
            "resampled; p: residuals permuted by tasks, one-sided, {scene.study.statistics.permutations:,} permutations, "
            "seed {scene.study.statistics.seed}.",
            when=_ran,
        ),
    ),
    family(
        "composition_figure",
        "Drawing where the domains' {wildcards.component} are",
        every_component,
        lambda scene: scene.attributions(*scene.models),
        _depth,
        figure(
            "composition.{component}",
            "composition:of_models",
            "Where in the models the domains' units are",
            overlap="Per domain the {scene.study.selection.main:g} % of units with the largest absolute mean "
            "attribution; units of several domains are shared. In 25 bins of depth: {scene.stacked}.",
            when=_ran,
        ),
        method="composition",
    ),
)
