"""How far circuits overlap: containment, Jaccard, doubly stochastic; reliability and its noise ceiling.

*Containment* |A and B| / k, k the nominal size (what the published matrices hold); *Jaccard*
|A and B| / |A or B|, NaN for two empty circuits; *doubly stochastic*: containment with its diagonal set to
zero, scaled until rows and columns sum to one. *Reliability* of a task is the overlap of its own circuit
from two item lists: two halves of its items, or two seeds. Two tasks that had the same circuit would be
seen to overlap by about the geometric mean of their reliabilities: that is the *noise ceiling* of a pair,
and the noise-corrected overlap is the measured one divided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.masks import Selection
from brodmann.circuits.replicates import Strongest
from brodmann.tasks.catalogue import domain_of

MEASURES = ("containment", "jaccard", "doubly_stochastic")

_SINKHORN_TOLERANCE = 1e-10
_SINKHORN_STEPS = 100_000
# Row sums further from one than this: there is no doubly stochastic matrix with these zeros.
_SINKHORN_FAILED = 1e-3


def shared_units(circuits: Sequence[np.ndarray]) -> np.ndarray:
    """|A and B| for all pairs, int64 [n, n]; circuits are arrays of flat unit indices."""
    sizes = [int(units.max()) + 1 for units in circuits if len(units)]
    known = np.zeros(max(sizes, default=0), dtype=bool)
    for units in circuits:
        known[units] = True
    columns = np.cumsum(known) - 1
    members = np.zeros((len(circuits), int(known.sum())), dtype=np.float64)
    for row, units in enumerate(circuits):
        members[row, columns[units]] = 1
    return (members @ members.T).round().astype(np.int64)


def containment(shared: np.ndarray, k: int) -> np.ndarray:
    """|A and B| / k [tasks, tasks], of ``shared`` [tasks, tasks]."""
    return shared / k


def jaccard(shared: np.ndarray) -> np.ndarray:
    """|A and B| / |A or B| [tasks, tasks]; NaN for two empty circuits. ``shared`` [tasks, tasks] holds the
    sizes in its diagonal."""
    sizes = np.diag(shared)
    union = sizes[:, None] + sizes[None, :] - shared
    index = np.full(shared.shape, np.nan)
    np.divide(shared, union, out=index, where=union > 0)
    return index


def doubly_stochastic(matrix: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Sinkhorn scaling of a containment matrix [tasks, tasks] with zero diagonal; and the rows that stay NaN.

    A task whose other entries are all zero (or missing) cannot be scaled: its row and column are NaN.
    Rows and columns are scaled in turn until both sum to one. Where the zeros allow no such matrix (three
    tasks of which two overlap with the third only), all of it is NaN, and all rows are named.
    """
    values = np.array(matrix, dtype=np.float64)
    np.fill_diagonal(values, 0.0)
    values = np.nan_to_num(values, nan=0.0)
    empty = (values.sum(0) == 0) | (values.sum(1) == 0)
    result = np.full(values.shape, np.nan)
    kept = np.flatnonzero(~empty)
    scaled = values[np.ix_(kept, kept)]
    rows = scaled.sum(1, keepdims=True)
    for _ in range(_SINKHORN_STEPS if scaled.size else 0):
        scaled /= rows
        scaled /= np.add.reduce(scaled, 0, keepdims=True)
        rows = np.add.reduce(scaled, 1, keepdims=True)
        if np.abs(rows - 1).max() < _SINKHORN_TOLERANCE:
            break
    if scaled.size and np.abs(rows - 1).max() > _SINKHORN_FAILED:
        return result, list(range(len(values)))
    result[np.ix_(kept, kept)] = scaled
    return result, [int(row) for row in np.flatnonzero(empty)]


def overlap_matrices(
    circuits: Mapping[str, np.ndarray], k: int
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Every measure as a table with tasks on both axes, and the tasks that could not be scaled.

    ``circuits``: each task's flat units [n], as many as it has.
    """
    tasks = list(circuits)
    shared = shared_units([circuits[task] for task in tasks])
    contained = containment(shared, k)
    scaled, empty = doubly_stochastic(contained)
    values = {"containment": contained, "jaccard": jaccard(shared), "doubly_stochastic": scaled}
    tables = {name: pd.DataFrame(matrix, tasks, tasks) for name, matrix in values.items()}
    return tables, [tasks[row] for row in empty]


# Within and across domains


@dataclass(frozen=True)
class WithinCross:
    """Mean overlap of pairs of one domain and of pairs of two domains (off-diagonal, finite cells)."""

    within: float
    cross: float

    @property
    def ratio(self) -> float:
        """within / cross; NaN where there is nothing across."""
        return self.within / self.cross if self.cross else float("nan")


def within_cross(matrix: np.ndarray, domains: Sequence[str]) -> WithinCross:
    """The two means over ``matrix`` [tasks, tasks]; NaN where there is no such pair."""
    names = np.array(domains)
    same = names[:, None] == names[None, :]
    usable = np.isfinite(matrix) & ~np.eye(len(names), dtype=bool)
    means = [
        float(matrix[chosen].mean()) if chosen.any() else float("nan")
        for chosen in (usable & same, usable & ~same)
    ]
    return WithinCross(*means)


# Reliability


def pair_overlap(first: np.ndarray, second: np.ndarray, k: int) -> tuple[float, float]:
    """(containment, Jaccard) of two circuits, flat units [n] and [m]."""
    shared = len(np.intersect1d(first, second))
    union = len(first) + len(second) - shared
    return shared / k, shared / union if union else float("nan")


# Below this ceiling an overlap divided by it is mostly noise.
LOW_CEILING = 0.1


@dataclass(frozen=True)
class Reliability:
    """Overlap of a task's circuit with itself, from other items; NaN where it was not measured."""

    split_containment: float
    split_jaccard: float
    seed_containment: float
    seed_jaccard: float


def ceilings(rates: Mapping[str, Reliability]) -> tuple[str, dict[str, float]]:
    """What the ceilings of a matrix are taken from (``seed`` or ``split``), and each task's.

    Two full lists of items are just what two tasks have; halves are smaller, hence a little less alike.
    The two kinds are not mixed: ``seed`` only if every task has it.
    """
    by_seed = {task: rate.seed_containment for task, rate in rates.items()}
    if rates and not any(np.isnan(value) for value in by_seed.values()):
        return "seed", by_seed
    return "split", {task: rate.split_containment for task, rate in rates.items()}


def reliability(
    halves: Strongest, selection: Selection, full: np.ndarray, second: np.ndarray | None
) -> Reliability:
    """Of one task: replicates 2s and 2s + 1 of ``halves`` are split s; ``full`` and ``second`` are the
    circuits (flat units [n]) of all items and of the second seed's."""
    k = selection.size(halves.n_units)
    splits = [
        pair_overlap(
            halves.mask(2 * split, selection).units, halves.mask(2 * split + 1, selection).units, k
        )
        for split in range(len(halves) // 2)
    ]
    contained, jaccards = np.mean(splits, axis=0) if splits else (np.nan, np.nan)
    seeds = (np.nan, np.nan) if second is None else pair_overlap(full, second, k)
    return Reliability(float(contained), float(jaccards), *map(float, seeds))


def pair_ceilings(tasks: Sequence[str], ceilings: Mapping[str, float]) -> np.ndarray:
    """sqrt(r_a r_b) of every two tasks [tasks, tasks]; NaN where one is unknown. On the diagonal r."""
    rates = np.array([ceilings.get(task, np.nan) for task in tasks])
    found: np.ndarray = np.sqrt(rates[:, None] * rates[None, :])
    np.fill_diagonal(found, rates)
    return found


def noise_corrected(matrix: pd.DataFrame, ceilings: Mapping[str, float]) -> pd.DataFrame:
    """Off-diagonal overlap divided by its noise ceiling sqrt(r_a r_b); on the diagonal the reliability.

    NaN where a ceiling is unknown or zero. Above one is possible: a ceiling is an estimate.
    """
    ceiling = pair_ceilings(list(matrix.index), ceilings)
    values = np.divide(
        matrix.to_numpy(), ceiling, out=np.full(matrix.shape, np.nan), where=ceiling > 0
    )
    np.fill_diagonal(values, np.diag(ceiling))
    return pd.DataFrame(values, matrix.index, matrix.columns)


# Intervals


def bootstrap_within_cross(
    replicates: Mapping[str, Strongest], selection: Selection
) -> list[WithinCross]:
    """Within and across domains in each bootstrap replicate: every task's items are drawn anew."""
    tasks = list(replicates)
    domains = [domain_of(task) for task in tasks]
    found = []
    for number in range(min((len(own) for own in replicates.values()), default=0)):
        circuits = [replicates[task].mask(number, selection).units for task in tasks]
        k = selection.size(replicates[tasks[0]].n_units)
        found.append(within_cross(containment(shared_units(circuits), k), domains))
    return found


def interval(
    estimate: float, replicates: Sequence[float], level: float = 0.95
) -> tuple[float, float]:
    """The bootstrap interval, moved to the estimate.

    Circuits of resampled items are noisier than the circuit, so that replicates of an overlap lie below
    it as a whole; what they say about is the spread, not the place. NaN where a replicate is not finite: a
    ratio without anything across domains may be as large as any.
    """
    values = np.array(replicates, dtype=float)
    if len(values) < 2 or not np.isfinite(values).all():
        return float("nan"), float("nan")
    tails = np.quantile(values - values.mean(), [(1 - level) / 2, (1 + level) / 2])
    return float(estimate + tails[0]), float(estimate + tails[1])
