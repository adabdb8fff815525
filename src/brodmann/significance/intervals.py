"""Intervals of what was computed again and again from resampled data."""

from __future__ import annotations

import numpy as np

LEVEL = 0.95
_RESAMPLES = 1000


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The percentile interval of those that are finite; NaN for fewer than two."""
    found = replicates[np.isfinite(replicates)]
    if len(found) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def of_ratio(replicates: np.ndarray) -> tuple[float, float]:
    """The percentile interval of numbers that have no denominator where they are not finite.

    They may be anything there, and lie beyond both ends: NaN where an end would be one of them.
    """
    unknown, tail = ~np.isfinite(replicates), (1 - LEVEL) / 2
    # Ends lie between two places, the outer one of which must be known.
    if len(replicates) < 2 or unknown.sum() > int(tail * (len(replicates) - 1)):
        return float("nan"), float("nan")
    known = replicates[~unknown]
    low, high = (
        float(np.quantile(np.where(unknown, beyond, replicates), share))
        for beyond, share in ((known.min(), tail), (known.max(), 1 - tail))
    )
    return low, high


def of_mean(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The interval of the mean of independent values (tasks), drawn with replacement.

    A percentile interval: of few values it is too short (docs/conclusions.md says by how much).
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    return interval(values[drawn].mean(axis=1))
