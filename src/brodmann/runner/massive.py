"""Massive activations: units that carry far more than all others where a text begins.

Attention rests on the first token, and some models keep a very large activation there in a few units. What
holds one of them, a lesion or a random control, may break the model whatever its other units do. A unit is
massive if the median of its absolute activation at first tokens is more than ``TIMES`` the median over all
units of its layer. A layer whose median unit is silent (of ReLU neurons, say) has none: nothing can be told
from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel

TIMES = 100.0
# What texts begin with, where a model is looked at without a study's texts.
_OPENINGS = (
    *("The", "A", "In", "It", "She", "My", "When", "After", "There", "If", "We", "For", "Two"),
    *("Every", "Since", "Paris", "Water", "Some", "On", "Last"),
)


def massive(activations: np.ndarray) -> list[dict[str, Any]]:
    """The massive units of ``activations`` [texts, layers, units] at first tokens, layer by layer."""
    typical = np.median(np.abs(activations), axis=0)
    middle = np.median(typical, axis=1)
    return [
        {
            "layer": int(layer),
            "unit": int(unit),
            "activation": float(typical[layer, unit]),
            "layer_median": float(middle[layer]),
        }
        for layer, unit in np.argwhere(typical > TIMES * middle[:, None])
        if middle[layer] > 0
    ]


def massive_of(model: LoadedModel, sites: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Site -> its massive units, at the first tokens of openings of sentences."""
    from brodmann.runner.activations import Activations
    from brodmann.runner.engine import Engine
    from brodmann.runner.texts import encode_texts

    rows = [ids[:1] for ids in encode_texts(model.tokenizer, _OPENINGS)]
    engine, found = Engine(model), {}
    for site in sites:
        parts = Activations(model, site=site, engine=engine).pooled(rows, "last-token")
        found[site] = massive(np.concatenate([values for _, values in parts]))
    return found
