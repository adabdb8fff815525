"""Selectivity: Welch's t of every unit's absolute response, positive against negative texts.

Means and variances are gathered batch by batch in float64 (Chan, Golub and LeVeque 1979): no text's
activations are kept. A unit without variance, constant within both kinds of text, gets t = 0 and p = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from brodmann.errors import UserError
from brodmann.runner.encode import Ids

if TYPE_CHECKING:
    from brodmann.runner.activations import Activations

# Responses that differ by no more than this share of the largest are one value, summed in another order.
_ROUNDING = 1e-12


class Moments:
    """Count, mean and variance of each unit over the texts seen so far."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.n = 0
        self.mean = np.zeros(shape)
        self._squares = np.zeros(shape)  # sum of squared deviations from the mean
        self._low = np.full(shape, np.inf)
        self._high = np.full(shape, -np.inf)

    def add(self, values: np.ndarray) -> None:
        """More texts [texts, ...]."""
        count, mean = len(values), values.mean(0)
        total = self.n + count
        shift = mean - self.mean
        squares = np.square(values - mean).sum(0)
        self._squares += squares + np.square(shift) * (self.n * count / total)
        self.mean += shift * (count / total)
        self.n = total
        self._low = np.minimum(self._low, values.min(0))
        self._high = np.maximum(self._high, values.max(0))

    @property
    def constant(self) -> np.ndarray:
        """Where all texts gave the same value."""
        constant: np.ndarray = self._high - self._low <= _ROUNDING * np.abs(self._high)
        return constant

    @property
    def variance(self) -> np.ndarray:
        """Of the sample (ddof = 1)."""
        return np.where(self.constant, 0.0, self._squares / (self.n - 1))


@dataclass(frozen=True)
class Selectivity:
    """Per unit [layers, units]: t, its two-sided p, and p corrected for the false discovery rate."""

    t: np.ndarray
    p: np.ndarray
    p_fdr: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """Units that do not respond to anything."""
        silent: np.ndarray = (self.t == 0) & (self.p == 1)
        return silent

    def among(self, units: np.ndarray) -> Selectivity:
        """The same, corrected over the flat ``units`` that exist: other places were not tested."""
        p_fdr = np.ones(self.p.size)
        p_fdr[units] = false_discovery_control(self.p.reshape(-1)[units])
        return replace(self, p_fdr=p_fdr.reshape(self.p.shape))


def welch(positive: Moments, negative: Moments) -> Selectivity:
    """The test for unequal variances, and Benjamini and Hochberg's correction over all units."""
    shares = [side.variance / side.n for side in (positive, negative)]
    error = shares[0] + shares[1]
    tested = error > 0
    safe = np.where(tested, error, 1.0)
    t = np.where(tested, (positive.mean - negative.mean) / np.sqrt(safe), 0.0)
    # Shares of the whole, as squares of tiny variances would vanish.
    weights = [share / safe for share in shares]
    spread = weights[0] ** 2 / (positive.n - 1) + weights[1] ** 2 / (negative.n - 1)
    freedom = 1 / np.where(tested, spread, 1.0)
    p = np.where(tested, 2 * stdtr(freedom, -np.abs(t)), 1.0)
    return Selectivity(t, p, false_discovery_control(p, axis=None).reshape(p.shape))


def measure(
    activations: Activations,
    positive: Sequence[Ids],
    negative: Sequence[Ids],
    pooling: str,
    on_texts: Callable[[int], None] | None = None,
) -> Selectivity:
    """The selectivity of every unit for the positive texts."""
    sides = []
    for name, rows in (("positive", positive), ("negative", negative)):
        if len(rows) < 2:
            raise UserError.at("stimuli", f"{len(rows)} {name} texts", "give at least two of each")
        moments = Moments(activations.shape)
        for numbers, values in activations.pooled(rows, pooling, on_texts):
            if not np.isfinite(values).all():
                bad = activations.first_not_finite(rows, sorted(numbers), pooling)
                raise UserError.at(
                    f"{activations.model.name}, {name} text {bad + 1}",
                    "an activation is not finite",
                    "the model's weights or dtype are at fault; try dtype: float32",
                )
            moments.add(np.abs(values))
        sides.append(moments)
    return welch(*sides)
