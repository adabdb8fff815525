"""False discovery rate: Benjamini and Hochberg's q for the p-values of one table."""

from __future__ import annotations

import numpy as np
from scipy.stats import false_discovery_control


def q_values(p: np.ndarray) -> np.ndarray:
    """q of each p; NaN stays NaN and counts as no test."""
    p = np.asarray(p, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method="bh")
    return q
