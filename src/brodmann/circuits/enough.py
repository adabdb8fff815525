"""Is a circuit enough: the faithfulness of tasks' own orders of units beside other orders, over tasks.

Orders fall into the ``GROUPS`` of ablations: the task's ``own``, those of other tasks of the domain and of
other domains, and random ones (``layer_matched``, ``random``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import GROUPS, paired_p
from brodmann.significance.intervals import interval, of_mean
from brodmann.tasks.catalogue import domain_of, sort_key

# The groups of orders that are other tasks' own.
LENT = ("same_domain", "other_domains")
_RESAMPLES = 1000


def group_of(task: str, order: str) -> str:
    """Which group an order is in, to a task: orders of other tasks are called like these."""
    if order in GROUPS:
        return order
    return "same_domain" if domain_of(order) == domain_of(task) else "other_domains"


def chosen(table: pd.DataFrame, sign: str, kind: str) -> pd.DataFrame:
    """Rows of a sign (and of orders without one) and of a kind, with the column ``group``."""
    signs = table["sign"].fillna("")
    own = table[signs.isin([sign, ""]) & (table["kind"] == kind)]
    names = [group_of(*pair) for pair in zip(own["task"], own["order"], strict=True)]
    return own.assign(group=names)


def by_group(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Of ``chosen`` rows: tasks x groups, means over draws and over other tasks; NaN where there are none."""
    means = table.groupby(["task", "group"])[value].mean().unstack()
    return means.reindex(index=sorted(means.index, key=sort_key), columns=list(GROUPS))


def lent(table: pd.DataFrame, group: str, value: str) -> pd.DataFrame:
    """Of ``chosen`` rows: tasks x the tasks that lend them their orders; NaN where an order was not tried."""
    rows = table[table["group"] == group]
    return rows.pivot(index="task", columns="order", values=value)


@dataclass(frozen=True)
class Beside:
    """Own orders beside another group's, over the tasks that have both."""

    n: int
    own: float
    other: float
    low: float  # of the difference own - other, over resampled tasks
    high: float
    p: float  # Wilcoxon's signed ranks

    @property
    def difference(self) -> float:
        """Mean over tasks."""
        return self.own - self.other

    @classmethod
    def of(
        cls, tasks: pd.DataFrame, group: str, lenders: pd.DataFrame | None = None, seed: int = 0
    ) -> Beside:
        """``tasks``: of ``by_group``; ``lenders``: of ``lent``, if the group's orders are other tasks'."""
        both = tasks[["own", group]].dropna() if group != "own" else tasks[["own"]].dropna()
        own, other = both["own"].to_numpy(), both[group].to_numpy()
        n = len(both)
        if not n:
            return cls(0, *[float("nan")] * 5)
        if lenders is None:
            low, high = of_mean(own - other, seed)
        else:
            low, high = _with_lenders(both["own"], lenders.loc[both.index], seed)
        p = paired_p(both["own"], both[group]) if group != "own" else float("nan")
        return cls(n, float(own.mean()), float(other.mean()), low, high, p)


def _with_lenders(own: pd.Series, lenders: pd.DataFrame, seed: int) -> tuple[float, float]:
    """The interval of own less lent, over resampled tasks: those that are tested and those that lend.

    An order that is lent to several tasks is nothing new in each of them. A task that is drawn without any
    of its lenders does not count in that draw.
    """
    if len(own) < 2:
        return float("nan"), float("nan")
    names = sorted({*own.index, *lenders.columns}, key=sort_key)
    drawn = np.random.default_rng(seed).integers(len(names), size=(_RESAMPLES, len(names)))
    times = np.stack([(drawn == number).sum(axis=1) for number in range(len(names))], axis=1)
    of_task, of_lender = (times[:, [names.index(n) for n in some]] for some in (own.index, lenders))
    values = lenders.to_numpy(dtype=float)
    known = np.isfinite(values)
    weights, sums = of_lender @ known.T, of_lender @ np.where(known, values, 0.0).T
    other = np.divide(sums, weights, out=np.zeros(sums.shape), where=weights > 0)
    counted = of_task * (weights > 0)
    number, total = counted.sum(1), (counted * (own.to_numpy(dtype=float) - other)).sum(1)
    return interval(total[number > 0] / number[number > 0])
