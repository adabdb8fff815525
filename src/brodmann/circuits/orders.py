"""Orders of all units, of which a circuit is the beginning: by attribution, and random ones. Light.

An order holds every unit once, as flat indices (layer * units per layer + unit), int32. Circuits of two sizes
that begin one order are nested.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from brodmann.circuits.masks import Selection
from brodmann.files import digest
from brodmann.models.population import Population

_STRENGTH: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "positive": np.asarray,
    "absolute": np.abs,
}


def ranked(attribution: np.ndarray, sign: str, there: Population | None = None) -> np.ndarray:
    """By an attribution [layers, units], best first; equal scores by layer, then by unit.

    ``positive``: the units that help most, down to those that hinder most. ``absolute``: by magnitude. Last,
    places that are empty in the population that is ``there``.
    """
    strength = _STRENGTH[sign](attribution.reshape(-1))
    if np.isnan(strength).any():
        raise ValueError("scores hold NaN")
    order = np.argsort(-strength, kind="stable").astype(np.int32)
    if there is None or not len(there.absent):
        return order
    empty = np.isin(order, there.absent)
    return np.concatenate([order[~empty], order[empty]])


def at_random(there: Population, *seed: object) -> np.ndarray:
    """All units in random order, empty places last. ``seed`` names the draw."""
    return np.argsort(_draws(there, "random", *seed), kind="stable").astype(np.int32)


def layer_matched(order: np.ndarray, there: Population, *seed: object) -> np.ndarray:
    """A random order that has, at every size, as many units in each layer as ``order``.

    At each place stands a unit of the same layer; empty ones are last in both.
    """
    layers = order // there.width
    # The units of a layer in random order, at the places that the layer's units have.
    draws = _draws(there, "layer_matched", *seed)
    mixed = np.lexsort((draws, np.arange(len(order)) // there.width))
    found = np.empty_like(order)
    found[np.argsort(layers, kind="stable")] = mixed
    return found


def _draws(there: Population, *seed: object) -> np.ndarray:
    """Numbers from 0 to 1, for every place; 1 for empty ones.

    The stream of numpy's older generator is the one that numpy promises to keep.
    """
    hashed = digest([str(part) for part in seed])
    words = [int(hashed[start : start + 8], 16) for start in range(0, 64, 8)]
    draws: np.ndarray = np.random.RandomState(words).random_sample(there.layers * there.width)
    draws[there.absent] = 1
    return draws


def size(percent: float, n_units: int) -> int:
    """How many units a circuit of so many per cent has: none of 0, else as a mask has, see ``Selection``."""
    return min(n_units, Selection("", percent).size(n_units)) if percent > 0 else 0


@dataclass(frozen=True)
class Beginning:
    """The first ``n`` units of an order. Two are equal that hold the same units of as many.

    ``units``: a hash of which units they are.
    """

    units: str
    n: int
    order: np.ndarray = field(compare=False, repr=False)

    @classmethod
    def of(cls, order: np.ndarray, n: int) -> Beginning:
        """See above."""
        mask = np.zeros(len(order), dtype=bool)
        mask[order[:n]] = True
        bits = np.packbits(mask, bitorder="big").tobytes()
        return cls(hashlib.sha256(len(order).to_bytes(8, "big") + bits).hexdigest(), n, order)

    @property
    def whole(self) -> bool:
        """Whether it holds all units."""
        return self.n == len(self.order)

    def mask(self, width: int) -> np.ndarray:
        """bool [layers, ``width``]: which units it holds."""
        found = np.zeros(len(self.order), dtype=bool)
        found[self.order[: self.n]] = True
        return found.reshape(-1, width)
