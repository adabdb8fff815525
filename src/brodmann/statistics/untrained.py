"""A trained model beside the same architecture with random weights: how much more apart are its domains?

Both are seen on the tasks that both include. The statistic is the *excess*: mean(within) - mean(cross) of the
trained model's matrix less that of the untrained one's, which is the same contrast of the difference of the
two matrices. Its p shuffles the domain labels of that difference (one-sided, ``statistics.modularity``); its
interval resamples tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.significance.intervals import interval
from brodmann.statistics.modularity import Contrast, differences, label_codes, modularity
from brodmann.statistics.resampling import BOOTSTRAPS, resampled
from brodmann.tasks.catalogue import domain_of

EVERY = "all"  # domains together


@dataclass(frozen=True)
class Beside:
    """One contrast (all domains, or one) of the trained and the untrained model, on common tasks."""

    n: int  # common tasks, of the domain if it is one
    trained: Contrast
    untrained: Contrast
    excess: float
    low: float
    high: float
    p: float  # of the excess


def beside(
    trained: pd.DataFrame, untrained: pd.DataFrame, *, permutations: int, seed: int
) -> tuple[int, Mapping[str, Beside]]:
    """(common tasks, domain or ``EVERY`` -> the comparison), from two matrices [tasks, tasks]."""
    tasks = [task for task in trained.index if task in set(untrained.index)]
    own, other = (t.loc[tasks, tasks].to_numpy(dtype=float) for t in (trained, untrained))
    domains = [domain_of(task) for task in tasks]
    tests = [
        modularity(values, domains, permutations=permutations, seed=seed)
        for values in (own, other, own - other)
    ]
    names, codes = label_codes(domains)
    drawn = _resampled(own - other, codes, len(names), seed)

    def compare(name: str, column: int) -> Beside:
        parts = [t.overall if name == EVERY else t.domains[name].contrast for t in tests]
        number = len(tasks) if name == EVERY else domains.count(name)
        excess = parts[2]
        low, high = interval(drawn[:, column])
        return Beside(number, parts[0], parts[1], excess.difference, low, high, excess.p)

    found = {EVERY: compare(EVERY, len(names))}
    return len(tasks), found | {name: compare(name, n) for n, name in enumerate(names)}


def excess_interval(values: np.ndarray, domains: Sequence[str], seed: int) -> tuple[float, float]:
    """The interval of mean(within) - mean(cross) over resampled tasks. ``values`` [tasks, tasks]: the trained
    less the untrained model's matrix, NaN where a pair does not count."""
    names, codes = label_codes(domains)
    return interval(_resampled(values, codes, len(names), seed)[:, -1])


def _resampled(values: np.ndarray, codes: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """The contrasts of ``values`` under resampled tasks: [replicates, domains + 1], overall last.

    NaN where a side has a single pair of tasks: it is the same in every draw that has it.
    """
    found = np.full((BOOTSTRAPS, n_domains + 1), np.nan)
    if len(codes):
        for number, (grid, pairs) in enumerate(resampled(len(codes), seed)):
            cells = values[grid]
            usable = pairs & np.isfinite(cells)
            found[number] = differences(cells, usable, codes[grid[1]], n_domains)[0]
    found[:, ~_several_pairs(values, codes, n_domains)] = np.nan
    return found


def _several_pairs(values: np.ndarray, codes: np.ndarray, n_domains: int) -> np.ndarray:
    """bool [domains + 1]: whether two pairs of tasks are known within and across, overall last."""
    known = np.isfinite(values)
    rows, columns = np.nonzero(np.triu(known | known.T, 1))
    first, second = codes[rows], codes[columns]
    same = first == second
    own = [(first == one, second == one) for one in range(n_domains)]
    within = [int((a & b).sum()) for a, b in own] + [int(same.sum())]
    across = [int((a ^ b).sum()) for a, b in own] + [int((~same).sum())]
    return np.minimum(within, across) > 1
