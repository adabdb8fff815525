"""False discovery rate: Benjamini and Hochberg's q for the p-values of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def q_values(p: np.ndarray) -> np.ndarray:
    """q of each p; NaN stays NaN and counts as no test."""
    from statsmodels.stats.multitest import fdrcorrection  # slow to import, not for every job

    p = np.asarray(p, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = fdrcorrection(p[tested])[1]
    return q


def with_q(
    rows: Sequence[Mapping[str, Any]], *, p: str = "p", q: str = "q"
) -> list[dict[str, Any]]:
    """The rows of a table with the column ``q``: once over all its p-values."""
    found = q_values(np.array([row.get(p, np.nan) for row in rows], dtype=float))
    return [{**row, q: float(value)} for row, value in zip(rows, found, strict=True)]
