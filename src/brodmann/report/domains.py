"""Are domains apart, together or each by itself, in overlap or in what breaks; at which sizes of circuits?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brodmann.report import verdicts
from brodmann.report.findings import Findings, by_model, without_controls
from brodmann.report.page import Cell, Table
from brodmann.report.reliability import Reliability
from brodmann.report.sources import Sources
from brodmann.report.verdicts import SHOWN, SUGGESTIVE, UNTESTED, Excess, Verdict
from brodmann.report.wording import called_cell, nothing_shared, points, points_between, share
from brodmann.statistics.printed import show_p
from brodmann.statistics.structure_function import ALIKE
from brodmann.statistics.untrained import EVERY
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import label

# Model -> a matrix of its tasks; None where the study has none.
Matrices = Callable[[str], pd.DataFrame | None]


# Verdicts


def untrained_of(
    findings: Findings, model: str, domain: str = EVERY, *, drop: bool = False
) -> dict[str, Any] | None:
    """A model's row of the comparison with its untrained control, if it has one."""
    own = findings.beside_untrained(model, domain, drop=drop)
    return None if own.empty else own.iloc[0].to_dict()


def judged(
    findings: Findings,
    row: Mapping[str, Any],
    reliability: Reliability | None = None,
    *,
    drop: bool = False,
) -> Verdict:
    """Of a model's row of ``modularity``, or of ``domain_modularity``.

    ``reliability``: none where it does not matter how far circuits come back, as of what breaks.
    """
    domain = row.get("domain", "")
    p = row["q"] if domain else row["p"]
    p = np.nan if domain and nothing_shared(row) else p
    beside = untrained_of(findings, row["model"], domain or EVERY, drop=drop)
    own = 1.0 if reliability is None else reliability.mean(row["model"], domain)
    if beside is None:
        return verdicts.apart(p, None, own)
    control = 1.0 if reliability is None else reliability.mean(beside["other"])
    return verdicts.apart(p, Excess(beside["q"], beside["low"], control), own)


def domain_verdicts(
    findings: Findings, reliability: Reliability | None = None, *, drop: bool = False
) -> dict[str, Verdict]:
    """Model (or the average) -> whether its domains are apart, in overlap or in what breaks.

    Controls have no verdict. ``reliability``: see ``judged``.
    """
    rows = without_controls(findings.rows("modularity", drop=drop)).to_dict("records")
    return {row["model"]: judged(findings, row, reliability, drop=drop) for row in rows}


def overlap_verdicts(sources: Sources, findings: Findings) -> dict[str, Verdict]:
    """The same of overlap, which rests on how reliable circuits are."""
    return domain_verdicts(findings, Reliability.of(sources, findings))


# Sizes of circuits

BySize = Mapping[tuple[str, str], Mapping[float, Verdict]]


def verdicts_by_size(sources: Sources, findings: Findings) -> BySize:
    """(model, domain or ``EVERY``) -> size of the circuits in per cent -> the verdict on their overlap."""
    found: dict[tuple[str, str], dict[float, Verdict]] = {}
    for size, own in findings.by_size():
        reliability = Reliability.of(sources, own)
        for table in ("modularity", "domain_modularity"):
            for row in without_controls(own.rows(table)).to_dict("records"):
                key = row["model"], row.get("domain", EVERY)
                found.setdefault(key, {})[size] = judged(own, row, reliability)
    return found


@dataclass(frozen=True)
class Sizes:
    """At which of the sizes of circuits a domain (or all) is apart: suggestive or shown."""

    domain: str
    held: Sequence[float]  # in per cent
    number: int  # of sizes

    @classmethod
    def of(cls, found: BySize, model: str, domain: str = EVERY) -> Sizes:
        """Of ``verdicts_by_size``."""
        own = found.get((model, domain), {})
        held = [size for size, one in own.items() if one.level in (SUGGESTIVE, SHOWN)]
        return cls(domain, held, len(own))

    @property
    def text(self) -> str:
        """``apart at 2 of 4 sizes of circuits``; nothing where there is one size."""
        if self.number < 2:
            return ""
        return f"apart at {len(self.held)} of {self.number} sizes of circuits"


def sizes_of(found: BySize, model: str) -> list[Sizes]:
    """All domains together, then each; nothing where there is one size, or nothing could be tested."""
    if all(one.level == UNTESTED for one in found.get((model, EVERY), {}).values()):
        return []
    every = [Sizes.of(found, name, domain) for name, domain in found if name == model]
    return sorted((one for one in every if one.number > 1), key=lambda one: one.domain != EVERY)


# Without pairs of nearly the same circuit


@dataclass(frozen=True)
class WithoutAlike:
    """Means within and across domains, without pairs of tasks whose circuits are nearly the same."""

    pairs: int  # that are left out; of what has a direction, ordered ones
    within_pairs: int  # of these
    within: float
    cross: float

    @classmethod
    def of(
        cls, values: pd.DataFrame, overlaps: pd.DataFrame, domain: str = "", *, directed: bool
    ) -> WithoutAlike:
        """``values``: overlaps themselves, or accuracy lost (``directed``), of all domains or of one."""
        tasks = [task for task in values.index if task in set(overlaps.index)]
        cells, shared = (one.loc[tasks, tasks].to_numpy(dtype=float) for one in (values, overlaps))
        domains = np.array([domain_of(task) for task in tasks])
        same = domains[:, None] == domains[None, :]
        own = domains == domain if domain else np.ones(len(tasks), dtype=bool)
        inside, outside = same & own[:, None], ~same & (own[:, None] | own[None, :])
        usable = np.isfinite(cells) & ~np.eye(len(tasks), dtype=bool)
        alike = usable & (shared >= ALIKE)
        once = 1 if directed else 2  # mirrored cells are one pair
        counts = (int((alike & part).sum()) // once for part in (inside | outside, inside))
        means = (_mean(cells[usable & ~alike & part]) for part in (inside, outside))
        return cls(*counts, *means)

    @property
    def difference(self) -> float:
        """Within less across."""
        return self.within - self.cross

    @property
    def within_text(self) -> str:
        """``9.2 % (3)``: mean within, and how many pairs within are left out."""
        number = f" ({self.within_pairs})" if self.within_pairs else ""
        return f"{share(self.within)}{number}"


def _mean(cells: np.ndarray) -> float:
    return float(cells.mean()) if len(cells) else float("nan")


# The table


def domain_table(
    findings: Findings,
    overlaps: Matrices,
    reliability: Reliability | None = None,
    drops: Matrices | None = None,
) -> Table:
    """A row per model and domain: of ``overlaps``; or of ``drops``, without circuits of these overlaps."""
    drop = drops is not None
    rows: list[list[Cell]] = []
    for row in by_model(findings.rows("domain_modularity", drop=drop)):
        model, domain = row["model"], row["domain"]
        beside = untrained_of(findings, model, domain, drop=drop)
        values, shared = (drops or overlaps)(model), overlaps(model)
        alike = (
            None
            if values is None or shared is None
            else WithoutAlike.of(values, shared, domain, directed=drop)
        )
        rows.append(
            [
                called_cell(row),
                label(domain),
                str(row["n_domain"]),
                share(row["within"]),
                "–" if alike is None else alike.within_text,
                share(row["cross"]),
                points(row["difference"]),
                show_p(np.nan if nothing_shared(row) else row["q"]),
                "–" if beside is None else points_between(beside, "excess"),
                "–" if row["control"] else str(judged(findings, row, reliability, drop=drop)),
            ]
        )
    heads = ("model", "domain", "tasks", "within domains", "without alike", "across domains")
    heads += ("difference", "q", "more than untrained", "verdict")
    what = "Accuracy lost, of each domain" if drop else "Each domain"
    caption = f"{what}: pairs within it, and pairs of one of its tasks and one of another domain."
    source = "statistics/domain_modularity.csv"
    return Table(caption, heads, rows, frozenset({0, 1, 9}), source)
