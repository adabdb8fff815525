"""Do models agree? Kendall's tau of every pair of models over the cells of their common tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from brodmann.tasks.catalogue import sort_key


@dataclass(frozen=True)
class Tau:
    """Kendall's tau-b of two models; NaN where fewer than two cells are common or one is constant."""

    first: str
    second: str
    tau: float
    p: float
    n: int  # cells that both have


@dataclass(frozen=True)
class Consistency:
    """All pairs of models, and the tasks that they were compared on."""

    pairs: tuple[Tau, ...]
    tasks: tuple[str, ...]

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
        return values[np.isfinite(values)]


def common_tasks(matrices: Mapping[str, pd.DataFrame]) -> list[str]:
    """Tasks that every model has, in the standard order."""
    sets = [set(matrix.index) for matrix in matrices.values()]
    return sorted(set.intersection(*sets), key=sort_key) if sets else []


def consistency(matrices: Mapping[str, pd.DataFrame], *, directed: bool) -> Consistency:
    """Compare all pairs of models on their common tasks.

    ``directed`` takes all off-diagonal cells (ablation), else the upper triangle (overlap).
    """
    tasks = common_tasks(matrices)
    n = len(tasks)
    chosen = ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), dtype=bool), 1)
    cells = {
        model: matrix.reindex(index=tasks, columns=tasks).to_numpy(dtype=float)[chosen]
        for model, matrix in matrices.items()
    }
    pairs = [_tau(a, b, cells[a], cells[b]) for a, b in combinations(matrices, 2)]
    return Consistency(tuple(pairs), tuple(tasks))


def _tau(first: str, second: str, a: np.ndarray, b: np.ndarray) -> Tau:
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return Tau(first, second, float("nan"), float("nan"), len(a))
    found = kendalltau(a, b)
    return Tau(first, second, float(found.statistic), float(found.pvalue), len(a))


def tau_matrix(models: Sequence[str], found: Consistency) -> pd.DataFrame:
    """Symmetric, models on both axes, NaN on the diagonal."""
    table = pd.DataFrame(np.nan, list(models), list(models))
    for pair in found.pairs:
        table.loc[pair.first, pair.second] = table.loc[pair.second, pair.first] = pair.tau
    return table
