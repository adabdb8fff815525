"""Figures of localized networks, over all models."""

from __future__ import annotations

from itertools import product
from typing import Any

from brodmann.figures.registry import Files, Scene, family, figure


def _localized(scene: Scene) -> list[Scene]:
    return [scene] if scene.study.localizer.networks and scene.models else []


def _writing(scene: Scene) -> list[str]:
    """Circuits of attention heads have no write vectors of their own."""
    return scene.models if "neurons" in scene.study.attribution.components else []


def _read(scene: Scene) -> Files:
    def every(models: list[str], file: str) -> list[str]:
        pairs = product(models, scene.study.localizer.networks)
        return [f"results/{model}/localizer/{network}/{file}" for model, network in pairs]

    return {
        "selectivity": every(scene.models, "selectivity.safetensors"),
        "lesions": every(scene.models, "lesion.csv"),
        "written": every(_writing(scene), "circuits.csv"),
    }


def _settings(scene: Scene) -> dict[str, Any]:
    return {
        "models": scene.models,
        "writing": _writing(scene),
        "networks": list(scene.study.localizer.networks),
        "controls": scene.controls,
        "selection": next(iter(scene.study.localizer.selections), ""),
    }


FAMILIES = (
    family(
        "localizer_figures",
        "Drawing the localized networks",
        _localized,
        _read,
        _settings,
        figure(
            "localizer_lesion",
            "localized:of_doses",
            "What is lost without the localized units",
            localizers="Perplexity of a corpus of prose (per token), and accuracy on tasks of each domain (at most "
            "{scene.study.localizer.lesion.items} items a task, pooled), with the localized units held at zero against as "
            "many random other units{draws}. A row for each model; a measure has one scale in all rows. Bands: 95 % intervals.",
        ),
        figure(
            "localizer_depth",
            "localized:of_depth",
            "Where the localized units are",
            localizers="Selected units ({scene.localized}) in per cent of each layer's units.",
        ),
        figure(
            "localizer_selectivity",
            "localized:of_selectivity",
            "How selective units are",
            localizers="Welch's t of the absolute activation, positive against negative texts, all units; dashed: the least selective "
            "of those selected ({scene.localized}).",
        ),
        figure(
            "localizer_overlap",
            "localized:of_overlap",
            "How far the networks overlap",
            localizers="Jaccard index of the selected units ({scene.localized}).",
            when=lambda scene: len(scene.study.localizer.networks) > 1,
        ),
        figure(
            "localizer_circuits",
            "localized:of_written",
            "Do circuits write on the localized units?",
            localizers="Share of the squared length of circuit neurons' write vectors that lies on localized units of their own layer, "
            "over that of random neurons of the same layers (1,000 draws). A mark per task's circuit, by domain; filled: q < 0.05, one-sided.",
        ),
    ),
)
