"""Orders of all units, of which a circuit is the beginning: by attribution, and random ones. Light.

An order holds every unit that exists once, as flat indices (layer * places per layer + unit), int32. Circuits
of two sizes that begin one order are nested.
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

    ``positive``: the units that help most, down to those that hinder most. ``absolute``: by magnitude.
    ``there``: the units that exist; all, if it is left out.
    """
    strength = _STRENGTH[sign](attribution.reshape(-1))
    if np.isnan(strength).any():
        raise ValueError("scores hold NaN")
    order = np.argsort(-strength, kind="stable").astype(np.int32)
    return order if there is None else order[there.exists[order]]


def at_random(there: Population, *seed: object) -> np.ndarray:
    """All units in random order. ``seed`` names the draw."""
    order = np.argsort(_draws(there, "random", *seed), kind="stable").astype(np.int32)
    found: np.ndarray = order[there.exists[order]]
    return found


def layer_matched(order: np.ndarray, there: Population, *seed: object) -> np.ndarray:
    """A random order that has, at every size, as many units in each layer as ``order``.

    At each place stands a unit of the same layer.
    """
    layers = order // there.width
    # The units of a layer in random order, at the places that the layer's units have.
    draws, units = _draws(there, "layer_matched", *seed), there.units
    mixed = units[np.lexsort((draws[units], units // there.width))]
    found = np.empty_like(order)
    found[np.argsort(layers, kind="stable")] = mixed
    return found


def _draws(there: Population, *seed: object) -> np.ndarray:
    """Numbers from 0 to 1, for every place, empty ones too.

    The stream of numpy's older generator is the one that numpy promises to keep.
    """
    hashed = digest([str(part) for part in seed])
    words = [int(hashed[start : start + 8], 16) for start in range(0, 64, 8)]
    draws: np.ndarray = np.random.RandomState(words).random_sample(there.places)
    return draws


def size(percent: float, n_units: int) -> int:
    """How many units a circuit of so many per cent has: none of 0, else as a mask has, see ``Selection``."""
    return min(n_units, Selection("", percent).size(n_units)) if percent > 0 else 0


@dataclass(frozen=True)
class Beginning:
    """The first ``n`` units of an order. Two are equal that hold the same units of as many places.

    ``units``: a hash of which units they are. ``there``: those that exist.
    """

    units: str
    n: int
    order: np.ndarray = field(compare=False, repr=False)
    there: Population = field(compare=False, repr=False)

    @classmethod
    def of(cls, order: np.ndarray, n: int, there: Population) -> Beginning:
        """See above."""
        held = np.zeros(there.places, dtype=bool)
        held[order[:n]] = True
        bits = np.packbits(held, bitorder="big").tobytes()
        hashed = hashlib.sha256(there.places.to_bytes(8, "big") + bits).hexdigest()
        return cls(hashed, n, order, there)

    @property
    def whole(self) -> bool:
        """Whether it holds all units."""
        return self.n == len(self.order)

    @property
    def mask(self) -> np.ndarray:
        """bool [layers, width]: which units it holds, and empty places, of which nothing can be taken."""
        found: np.ndarray = ~self.there.exists
        found[self.order[: self.n]] = True
        return found.reshape(self.there.shape)
