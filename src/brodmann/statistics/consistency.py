"""Do models agree? Kendall's tau of every pair of models over the cells of their common tasks.

Common are the tasks that all models have (as published), or, ``pairwise``, those that the two have: with many
models, or one that includes few tasks, there may be none that all have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from brodmann.statistics.resampling import cells_of
from brodmann.tasks.catalogue import sort_key

# Fewer tasks have fewer than ten pairs: nothing to rank.
MIN_TASKS = 5


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b of two models; NaN where fewer than two cells are common or one is constant."""

    first: str
    second: str
    tau: float
    p: float
    n: int  # cells that both have
    n_tasks: int = 0  # that they were compared on


@dataclass(frozen=True)
class Consistency:
    """All pairs of models, and the tasks that all of them have."""

    pairs: tuple[Tau, ...]
    tasks: tuple[str, ...]
    pairwise: bool = False  # whether each pair was compared on the tasks that the two have

    @property
    def n_tasks(self) -> tuple[int, int]:
        """The fewest and the most tasks of a pair."""
        counts = [pair.n_tasks for pair in self.pairs]
        return min(counts, default=0), max(counts, default=0)

    def mean(self) -> float:
        """Over the pairs that have a tau."""
        values = self._values()
        return float(values.mean()) if len(values) else float("nan")

    def sd(self, ddof: int) -> float:
        """Over the pairs that have a tau; NaN for too few."""
        values = self._values()
        return float(values.std(ddof=ddof)) if len(values) > ddof else float("nan")

    def _values(self) -> np.ndarray:
        values = np.array([pair.tau for pair in self.pairs])
        there: np.ndarray = values[np.isfinite(values)]
        return there


def common_tasks(matrices: Mapping[str, pd.DataFrame]) -> list[str]:
    """Tasks that every model has, in the standard order."""
    sets = [set(matrix.index) for matrix in matrices.values()]
    return sorted(set.intersection(*sets), key=sort_key) if sets else []


def consistency(
    matrices: Mapping[str, pd.DataFrame], *, directed: bool, pairwise: bool = False
) -> Consistency:
    """Compare all pairs of models on the tasks that all have, or (``pairwise``) that the two have.

    ``directed`` takes all off-diagonal cells (ablation), else the upper triangle (overlap).
    """
    common = common_tasks(matrices)
    cells = {model: _cells(matrix, common, directed) for model, matrix in matrices.items()}
    pairs = []
    for a, b in combinations(matrices, 2):
        first, second, n_tasks = cells[a], cells[b], len(common)
        if pairwise:
            tasks = common_tasks({a: matrices[a], b: matrices[b]})
            first, second = (_cells(matrices[model], tasks, directed) for model in (a, b))
            n_tasks = len(tasks)
        pairs.append(_tau(a, b, first, second, n_tasks))
    return Consistency(tuple(pairs), tuple(common), pairwise)


def _cells(matrix: pd.DataFrame, tasks: Sequence[str], directed: bool) -> np.ndarray:
    values = matrix.reindex(index=tasks, columns=tasks).to_numpy(dtype=float)
    cells: np.ndarray = values[cells_of(len(tasks), directed=directed)]
    return cells


def _tau(first: str, second: str, a: np.ndarray, b: np.ndarray, n_tasks: int) -> Tau:
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return Tau(first, second, float("nan"), float("nan"), len(a), n_tasks)
    found = kendalltau(a, b)
    return Tau(first, second, float(found.statistic), float(found.pvalue), len(a), n_tasks)


def tau_matrix(models: Sequence[str], found: Consistency) -> pd.DataFrame:
    """Symmetric, models on both axes, NaN on the diagonal."""
    table = pd.DataFrame(np.nan, list(models), list(models))
    for pair in found.pairs:
        table.loc[pair.first, pair.second] = table.loc[pair.second, pair.first] = pair.tau
    return table
