"""Is a circuit enough: the faithfulness of tasks' own orders of units beside other orders, over tasks.

Orders fall into the ``GROUPS`` of ablations: the task's ``own``, those of other tasks of the domain and of
other domains, and random ones (``layer_matched``, ``random``).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from brodmann.circuits.against_controls import GROUPS, paired_p
from brodmann.significance.intervals import of_mean
from brodmann.tasks.catalogue import domain_of, sort_key


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
    def of(cls, tasks: pd.DataFrame, group: str, seed: int = 0) -> Beside:
        """``tasks``: of ``by_group``."""
        both = tasks[["own", group]].dropna() if group != "own" else tasks[["own"]].dropna()
        own, other = both["own"].to_numpy(), both[group].to_numpy()
        n = len(both)
        if not n:
            return cls(0, *[float("nan")] * 5)
        low, high = of_mean(own - other, seed)
        p = paired_p(both["own"], both[group]) if group != "own" else float("nan")
        return cls(n, float(own.mean()), float(other.mean()), low, high, p)
