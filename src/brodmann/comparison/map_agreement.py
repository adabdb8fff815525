"""Do circuits, localized units and networks coincide? Three spaces in which they can be compared.

- *units*: two sets of the same kind of units (dimensions of the residual stream, or neurons), by IoU.
  Null: the units of one set are permuted within each layer.
- *written*: neurons against dimensions of the residual stream, by the share of the neurons' write vectors
  that lies on them. Null: as many random neurons of the same layers (``comparison.written``).
- *layers*: any two sets, by what their distributions over layers have in common (the sum over layers of the
  smaller of the two shares). Null: the layers of one of them are permuted.

One-sided: p = (1 + draws that reach what was observed) / (1 + draws).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def unit_agreement(one: np.ndarray, other: np.ndarray, width: int, *, seed: int) -> Outcome | None:
    """IoU of two sets of flat units; None if one is empty.

    Permuted within a layer, two sets of m and n of its units share a hypergeometric number.
    """
    if not len(one) or not len(other):
        return None
    layers = int(max(one.max(), other.max())) // width + 1
    sizes = [np.bincount(units // width, minlength=layers) for units in (one, other)]
    shared = len(np.intersect1d(one, other))
    dice = np.random.default_rng(seed)
    null = np.zeros(DRAWS)
    for first, second in zip(*sizes, strict=True):
        if first and second:
            null += dice.hypergeometric(first, width - first, second, DRAWS)
    total = len(one) + len(other)
    return _outcome(shared / (total - shared), null / (total - null))


def layer_shares(units: np.ndarray, width: int, n_layers: int) -> np.ndarray:
    """The share of a set's units in each layer [layers]; zeros for an empty set."""
    counts = np.bincount(units // width, minlength=n_layers).astype(np.float64)
    shares: np.ndarray = counts / max(1.0, counts.sum())
    return shares


def layer_agreement(one: np.ndarray, other: np.ndarray, *, seed: int) -> Outcome | None:
    """What two distributions over layers have in common, 0 to 1; None if one is empty."""
    if not one.any() or not other.any():
        return None
    dice = np.random.default_rng(seed)
    shuffled = np.stack([dice.permutation(other) for _ in range(DRAWS)])
    null = np.minimum(one, shuffled).sum(1)
    return _outcome(float(np.minimum(one, other).sum()), null)
