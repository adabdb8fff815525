"""What tests over pairs of tasks share: which pairs there are, shuffled statistics, resampled tasks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

BOOTSTRAPS = 1000
# A shuffle that changes nothing must count as equal, whatever the order of a sum's terms.
_EQUAL = 1e-12


def cells_of(n: int, *, directed: bool) -> np.ndarray:
    """Which cells [n, n] are pairs of two tasks: all off the diagonal, or those above it."""
    return ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), dtype=bool), 1)


def reached(null: np.ndarray, observed: np.ndarray | float) -> np.ndarray:
    """How many of ``null`` [shuffles, ...] are as large as what was observed [...]."""
    least = observed - _EQUAL * np.maximum(1.0, np.abs(observed))
    count: np.ndarray = (null >= least).sum(0)
    return count


def p_value(null: np.ndarray, observed: np.ndarray | float) -> np.ndarray:
    """(1 + #{null >= observed}) / (1 + n), one-sided, over the n shuffles that have the statistic.

    NaN where the observed one is not defined. ``null``: [shuffles, ...], ``observed``: [...].
    """
    p = (1 + reached(null, observed)) / (1 + np.isfinite(null).sum(0))
    return np.where(np.isfinite(observed), p, np.nan)


@lru_cache(maxsize=8)  # a study's matrices are of the same tasks
def shuffled(values: tuple[int, ...], n: int, seed: int) -> np.ndarray:
    """``n`` permutations of ``values``, int64 [n, values], read-only."""
    rng, each = np.random.default_rng(seed), np.array(values, dtype=np.int64)
    found = np.array([rng.permutation(each) for _ in range(n)]).reshape(n, len(each))
    found.setflags(write=False)
    return found


def resampled(n: int, seed: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
    """``BOOTSTRAPS`` draws of n tasks with replacement: how to take the drawn cells out of a matrix, and
    which of them are pairs: a task never meets itself."""
    rng = np.random.default_rng(seed)
    for _ in range(BOOTSTRAPS):
        drawn = rng.integers(n, size=n)
        yield np.ix_(drawn, drawn), drawn[:, None] != drawn[None, :]


def times_drawn(n: int, seed: int) -> np.ndarray:
    """How often ``BOOTSTRAPS`` draws with replacement take each of n tasks, [draws, n]. A pair of tasks
    counts as often as the product of theirs."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n, size=(BOOTSTRAPS, n)) if n else np.empty((BOOTSTRAPS, 0), dtype=int)
    return np.array([np.bincount(draw, minlength=n) for draw in drawn], dtype=float)
