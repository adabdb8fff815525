"""How far domains are apart relative to what circuits can share: their noise ceilings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.report.findings import Findings
from brodmann.report.reliability import Reliability
from brodmann.report.sources import Sources
from brodmann.report.wording import points, points_between
from brodmann.statistics.modularity import gap
from brodmann.statistics.untrained import EVERY, excess_interval
from brodmann.store.tables import read_matrix
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import label


@dataclass(frozen=True)
class OverCeilings:
    """How far domains are apart in a model and its untrained control, relative to what their circuits can
    share: over the pairs of tasks whose noise ceilings are not low in either."""

    pairs: int
    every: int  # pairs of tasks that both models include
    within: Mapping[str, int]  # domain -> pairs within it; of domains that have any pair of tasks
    own: float
    other: float
    low: float  # of the interval of ``own`` less ``other``, over resampled tasks
    high: float
    # The same differences of the overlaps themselves, over the same pairs.
    raw_own: float
    raw_other: float

    @property
    def excess(self) -> float:
        """What the trained model has more."""
        return self.own - self.other

    @property
    def counts(self) -> str:
        """``4 formal, 10 physical; none of language, social``."""
        some = [f"{number} {label(name)}" for name, number in self.within.items() if number]
        none = [label(name) for name, number in self.within.items() if not number]
        parts = [", ".join(some), f"none of {', '.join(none)}" if none else ""]
        return "; ".join(filter(None, parts))

    def without_pairs(self, domains: Sequence[str]) -> list[str]:
        """Of these domains, those that have no pair that counts."""
        return [name for name in domains if not self.within.get(name)]

    @property
    def explain(self) -> bool:
        """Whether ceilings leave less than half of what the model has more of on the same pairs."""
        raw = self.raw_own - self.raw_other
        if self.low > 0 or not self.own > 0 or not raw > 0 or not self.raw_own > 0:
            return False
        return self.excess / self.own < raw / self.raw_own / 2

    @property
    def text(self) -> str:
        """In a cell."""
        return f"{points(self.own)}; untrained {points(self.other)} ({self.pairs} pairs)"

    @property
    def more(self) -> str:
        """What the trained model has more, with its interval."""
        return points_between({"excess": self.excess, "low": self.low, "high": self.high}, "excess")


def over_ceilings(sources: Sources, findings: Findings) -> dict[str, OverCeilings]:
    """Of every model that was run and has an untrained control."""
    matrices = {name: parts for name, *parts in _corrected(sources, findings)}
    found = {}
    for row in findings.rows("untrained").to_dict("records"):
        pair = [matrices.get(row[name]) for name in ("model", "other")]
        if row["domain"] == EVERY and pair[0] is not None and pair[1] is not None:
            found[row["model"]] = _compared(*pair[0], *pair[1], sources.study.statistics.seed)
    return found


def _compared(
    own: pd.DataFrame,
    raw_own: pd.DataFrame,
    other: pd.DataFrame,
    raw_other: pd.DataFrame,
    seed: int,
) -> OverCeilings:
    tasks = [task for task in own.index if task in set(other.index)]
    values = [
        one.loc[tasks, tasks].to_numpy(dtype=float) for one in (own, other, raw_own, raw_other)
    ]
    known = np.isfinite(values[0]) & np.isfinite(values[1])
    masked = [np.where(known, one, np.nan) for one in values]
    domains = [domain_of(task) for task in tasks]
    gaps = [gap(one, domains) for one in masked]
    rows, columns = np.triu_indices(len(tasks), 1)
    within = dict.fromkeys(domains, 0)
    for a, b in zip(rows, columns, strict=True):
        within[domains[a]] += int(known[a, b] and domains[a] == domains[b])
    several = {name: number for name, number in within.items() if domains.count(name) > 1}
    low, high = excess_interval(masked[0] - masked[1], domains, seed)
    pairs = int(known[rows, columns].sum())
    return OverCeilings(pairs, len(rows), several, *gaps[:2], low, high, *gaps[2:])


def _corrected(
    sources: Sources, findings: Findings
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Of every model that was run: overlaps over their noise ceilings, NaN where these are low; overlaps."""
    stem = f"overlap/{findings.component}/{findings.overlap_sel}"
    for name, table in Reliability.of(sources, findings).tables.items():
        values, raw = (
            read_matrix(sources.results / name / f"{stem}.{what}.csv")
            for what in ("noise_corrected", "containment")
        )
        rates = table.set_index("task")["ceiling"].to_dict()
        known = pair_ceilings(list(values.index), rates) >= LOW_CEILING
        yield name, values.where(known), raw
