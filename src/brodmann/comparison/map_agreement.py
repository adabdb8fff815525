"""Do circuits, localized units and networks coincide? Three spaces in which they can be compared.

- *units*: two sets of the same kind of units (dimensions of the residual stream, or neurons), by IoU.
  Null: the units of one set are permuted within each layer.
- *written*: neurons against dimensions of the residual stream, by the share of the neurons' write vectors
  that lies on them. Null: as many random neurons of the same layers (``comparison.written``).
- *layers*: any two sets, by what their distributions over layers have in common (the sum over layers of the
  smaller of the two shares). Null: the layers of one of them are permuted, those that have such units.

One-sided: p = (1 + draws that reach what was observed) / (1 + draws).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.models.population import Population

UNITS, WRITTEN, LAYERS = "units", "written", "layers"
DRAWS = 1000


@dataclass(frozen=True)
class Outcome:
    """What was observed, and what is expected by chance."""

    observed: float
    chance: float
    p: float
    draws: int = DRAWS

    @property
    def ratio(self) -> float:
        """Observed over chance."""
        return self.observed / self.chance if self.chance else float("nan")


def _outcome(observed: float, null: np.ndarray) -> Outcome:
    p = (1 + (null >= observed - 1e-12).sum()) / (1 + len(null))
    return Outcome(observed, float(null.mean()), float(p), len(null))


def unit_agreement(
    one: np.ndarray, other: np.ndarray, there: Population, *, seed: int
) -> Outcome | None:
    """IoU of two sets of flat units, of those that are ``there``; None if one is empty.

    Permuted within a layer, two sets of m and n of its units share a hypergeometric number.
    """
    if not len(one) or not len(other):
        return None
    sizes = [np.bincount(own // there.width, minlength=there.layers) for own in (one, other)]
    shared = len(np.intersect1d(one, other))
    dice = np.random.default_rng(seed)
    null = np.zeros(DRAWS)
    for layer, (first, second) in enumerate(zip(*sizes, strict=True)):
        if first and second:
            null += dice.hypergeometric(first, there.units_of(layer) - first, second, DRAWS)
    total = len(one) + len(other)
    return _outcome(shared / (total - shared), null / (total - null))


def layer_shares(units: np.ndarray, width: int, n_layers: int) -> np.ndarray:
    """The share of a set's units in each layer [layers]; zeros for an empty set."""
    counts = np.bincount(units // width, minlength=n_layers).astype(np.float64)
    shares: np.ndarray = counts / max(1.0, counts.sum())
    return shares


def layer_agreement(
    one: np.ndarray, other: np.ndarray, layers: Sequence[int], *, seed: int
) -> Outcome | None:
    """What two distributions over layers have in common, 0 to 1; None if one is empty.

    ``layers``: those in which the second could have units.
    """
    if not one.any() or not other.any():
        return None
    dice = np.random.default_rng(seed)
    own = list(layers)
    shuffled = np.zeros((DRAWS, len(other)))
    shuffled[:, own] = [dice.permutation(other[own]) for _ in range(DRAWS)]
    null = np.minimum(one, shuffled).sum(1)
    return _outcome(float(np.minimum(one, other).sum()), null)
