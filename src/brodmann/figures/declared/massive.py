"""What massive activations do to lesions, where a study leaves them out of its localizers or sets them apart."""

from __future__ import annotations

from itertools import product
from typing import Any

from brodmann.config.massive import KEEP
from brodmann.figures.registry import Files, Scene, family, figure


def _left_out(scene: Scene) -> list[Scene]:
    settings = scene.study.localizer
    return [scene] if settings.networks and scene.models and settings.massive != KEEP else []


def _pairs(scene: Scene) -> list[tuple[str, str]]:
    return list(product(scene.models, scene.study.localizer.networks))


def _read(scene: Scene) -> Files:
    pairs = _pairs(scene)
    return {"lesions": [f"results/{model}/localizer/{own}/lesion.csv" for model, own in pairs]}


def _settings(scene: Scene) -> dict[str, Any]:
    return {"pairs": _pairs(scene), "controls": scene.controls}


FAMILIES = (
    family(
        "massive_figures",
        "Drawing lesions with and without massive activations",
        _left_out,
        _read,
        _settings,
        figure(
            "localizer_massive",
            "massive:of_lesions",
            "Lesions with and without massive activations",
            massive="Perplexity (per token) with units silenced, by their number: those that the localizer selects without "
            "massive activations, as many with these among them, the massive activations by themselves where they are a set "
            "of their own, and random units without them{draws}. Bands: 95 % intervals.",
        ),
    ),
)
