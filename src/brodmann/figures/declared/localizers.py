"""Figures of localized networks, over all models."""

from __future__ import annotations

from itertools import product
from typing import Any

from brodmann.figures.registry import Family, Figure, Files, Place, Scene


def _localized(scene: Scene) -> list[Scene]:
    return [scene] if scene.study.localizer.networks and scene.study.run_models else []


def _writing(scene: Scene) -> list[str]:
    """Circuits of attention heads have no write vectors of their own."""
    neurons = "neurons" in scene.study.attribution.components
    return list(scene.study.run_models) if neurons else []


def _read(scene: Scene) -> Files:
    networks = scene.study.localizer.networks

    def every(models: list[str], file: str) -> list[str]:
        pairs = product(models, networks)
        return [f"results/{model}/localizer/{network}/{file}" for model, network in pairs]

    models = list(scene.study.run_models)
    return {
        "selectivity": every(models, "selectivity.safetensors"),
        "lesions": every(models, "lesion.csv"),
        "written": every(_writing(scene), "circuits.csv"),
    }


def _settings(scene: Scene) -> dict[str, Any]:
    return {
        "models": list(scene.study.run_models),
        "writing": _writing(scene),
        "networks": list(scene.study.localizer.networks),
        "controls": list(scene.study.controls),
        "selection": next(iter(scene.study.localizer.selections), ""),
    }


def _main(scene: Scene) -> str:
    return scene.study.localizer.selections[0]


FAMILIES = (
    Family(
        "localizer_figures",
        "Drawing the localized networks",
        (
            Figure(
                "localizer_lesion",
                "localized:of_doses",
                "What is lost without a network",
                (
                    Place(
                        "localizers",
                        lambda scene: (
                            "Perplexity of a corpus of prose (per token), and accuracy on tasks of each domain (at most "
                            f"{scene.study.localizer.lesion.items} items a task, pooled), with the network's units held at "
                            "zero against as many random other units{draws}. Bands: 95 % intervals. Dotted: intact."
                        ),
                    ),
                ),
            ),
            Figure(
                "localizer_depth",
                "localized:of_depth",
                "Where the networks are",
                (
                    Place(
                        "localizers",
                        lambda scene: (
                            f"Selected units ({_main(scene)}) in per cent of each layer's units."
                        ),
                    ),
                ),
            ),
            Figure(
                "localizer_selectivity",
                "localized:of_selectivity",
                "How selective units are",
                (
                    Place(
                        "localizers",
                        "Welch's t of the absolute activation, positive against negative texts, all units; dashed: the least "
                        "selective unit that is selected.",
                    ),
                ),
            ),
            Figure(
                "localizer_overlap",
                "localized:of_overlap",
                "How far the networks overlap",
                (
                    Place(
                        "localizers",
                        lambda scene: f"Jaccard index of the selected units ({_main(scene)}).",
                        lambda scene: len(scene.study.localizer.networks) > 1,
                    ),
                ),
            ),
            Figure(
                "localizer_circuits",
                "localized:of_written",
                "Do circuits write on the networks?",
                (
                    Place(
                        "localizers",
                        "Share of the squared length of circuit neurons' write vectors that lies on localized units of their "
                        "own layer, over that of random neurons of the same layers (1,000 draws). Filled: q < 0.05, one-sided.",
                    ),
                ),
            ),
        ),
        _localized,
        _read,
        _settings,
    ),
)
