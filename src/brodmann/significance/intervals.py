"""Intervals of what was computed again and again from resampled data."""

from __future__ import annotations

import numpy as np

LEVEL = 0.95


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The percentile interval of those that are finite; NaN for fewer than two."""
    found = replicates[np.isfinite(replicates)]
    if len(found) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
