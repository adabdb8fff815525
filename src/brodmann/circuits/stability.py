"""Are circuits the same, found on other draws of the items? Jaccard of all pairs of resampled circuits.

A resampled list draws independent units (items that share content go together) with replacement: as many as
the task has, or, for the curve, fewer. So lists of few items are as different from each other as such
lists would be. A circuit is called *stable* where two of its resampled circuits share, on average, at least
``STABLE`` of the units of either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.circuits.masks import Selection
from brodmann.circuits.overlap import jaccard, shared_units
from brodmann.circuits.replicates import Strongest, bootstrap_weights
from brodmann.config.attribution import STABLE


@dataclass(frozen=True)
class Alike:
    """Jaccard of all pairs of a task's resampled circuits: mean, and the range of 95 % of the pairs."""

    mean: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0  # circuits

    @classmethod
    def of(cls, found: Strongest, selection: Selection) -> Alike:
        """Of the masks of all replicates; two empty ones say nothing."""
        circuits = [found.mask(number, selection).units for number in range(len(found))]
        pairs = np.triu_indices(len(circuits), 1)
        values = jaccard(shared_units(circuits))[pairs] if len(circuits) > 1 else np.zeros(0)
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(n=len(circuits))
        low, high = np.quantile(values, [0.025, 0.975])
        return cls(float(values.mean()), float(low), float(high), len(circuits))

    @property
    def stable(self) -> bool:
        """See the module."""
        return self.mean >= STABLE


def counts_of(groups: Sequence[str], counts: Iterable[int]) -> list[int]:
    """Those of the ``counts`` that the independent units of a list suffice for, in order."""
    return [count for count in sorted(counts) if count <= len(set(groups))]


def curve_weights(
    groups: Sequence[str], counts: Iterable[int], draws: int, seed: object
) -> np.ndarray:
    """float32 [counts * draws, items]: means over so many units, drawn with replacement."""
    found = [
        bootstrap_weights(groups, draws, f"{seed}/{count}", count)
        for count in counts_of(groups, counts)
    ]
    return np.concatenate([np.zeros((0, len(groups)), np.float32), *found])


def needed(curve: Mapping[int, Alike]) -> int | None:
    """The first count of a curve from which on circuits are stable; None if they are not at the last one."""
    found = None
    for count in sorted(curve, reverse=True):
        if not curve[count].stable:
            break
        found = count
    return found
