"""Sentences on structure: overlap within and across domains, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.report.story.findings import ALPHA, Findings, spoken
from brodmann.report.story.wording import called, nothing_shared, p_text, share
from brodmann.statistics.inventory import ALL
from brodmann.statistics.modularity import gap
from brodmann.tasks.catalogue import domain_of


def overlap_sentences(findings: Findings) -> Iterator[str]:
    """Within against across domains, model by model."""
    if findings.rows("modularity").empty:
        yield f"No model has overlaps of {findings.overlap_sel} circuits."
    for _, row in findings.spoken("modularity").iterrows():
        name = called(row)
        if row["n"] < 2 or pd.isna(row["within"]) or pd.isna(row["cross"]):
            yield f"{name}: {row['n']} tasks are included; no pairs within and across domains can be compared."
            continue
        if nothing_shared(row):
            yield f"{name}: no two of {row['n']} tasks share a unit."
            continue
        ratio = "" if pd.isna(row["ratio"]) else f" (ratio {row['ratio']:.2f})"
        yield (
            f"{name}: two tasks of one domain share {share(row['within'])} of their circuits' units, two tasks of "
            f"different domains {share(row['cross'])}{ratio}; {p_text(row['p'])}, {int(row['permutations']):,} "
            f"shuffles of the domain labels of {row['n']} tasks."
        )


@dataclass(frozen=True)
class Beside:
    """An untrained model and the same one trained, on the tasks that both include."""

    control: str
    trained: str
    same_items: bool  # whether they were run on the same items of each task
    n_tasks: int
    # Size in per cent -> mean(within) - mean(cross) of the trained model and of the control.
    gaps: Mapping[float, tuple[float, float]]

    @classmethod
    def of(
        cls,
        control: str,
        trained: str,
        overlaps: tuple[Mapping[float, pd.DataFrame], Mapping[float, pd.DataFrame]],
        *,
        same_items: bool,
    ) -> Beside:
        """From the overlaps of control and trained model, by size in per cent."""
        gaps, tasks = {}, []
        for percent in sorted(set(overlaps[0]) & set(overlaps[1])):
            other, own = overlaps[0][percent], overlaps[1][percent]
            tasks = [task for task in own.index if task in set(other.index)]
            domains = [domain_of(task) for task in tasks]
            pair = tuple(gap(t.loc[tasks, tasks].to_numpy(), domains) for t in (own, other))
            if np.isfinite(pair).all():
                gaps[percent] = pair
        return cls(control, trained, same_items, len(tasks), gaps)


def untrained_sentences(pairs: Iterable[Beside], main: float) -> Iterator[str]:
    """The difference within - across of a model beside that of the same model without training.

    Both are given at every size, ``main`` first. Their ratio is not, as neither is known well enough.
    """
    for both in pairs:
        if main not in both.gaps:
            continue
        points = {
            percent: tuple(f"{100 * value:.1f}" for value in pair)
            for percent, pair in both.gaps.items()
        }
        own, other = points.pop(main)
        items = "the same items" if both.same_items else "each on items of its own"
        text = (
            f"Beside the untrained control, on the {both.n_tasks} tasks that both include and {items}: tasks of one "
            f"domain share {own} percentage points more of their circuits' units than tasks of different domains in "
            f"{both.trained}, and {other} percentage points more in {both.control} (the same architecture, random weights), at "
            f"{main:g} % of the units"
        )
        others = [f"{percent:g} %: {own} and {other}" for percent, (own, other) in points.items()]
        if others:
            text += f"; at other sizes {', '.join(others)}"
        yield f"{text}. The two differences are not tested against each other."


def domain_sentences(findings: Findings) -> Iterator[str]:
    """Which domains are separate by themselves."""
    for (_, _), rows in findings.spoken("domain_modularity").groupby(
        ["model", "control"], sort=False
    ):
        name = called(rows.iloc[0])
        empty = rows.apply(nothing_shared, axis=1).astype(bool)
        tested = rows[rows["p"].notna() & ~empty]
        apart = tested[tested["q"] < ALPHA]["domain"].tolist()
        parts = [f"{row['domain']} {p_text(row['p'])}" for _, row in tested.iterrows()]
        untested = rows[rows["p"].isna()]["domain"].tolist()
        if parts:
            found = ", ".join(apart) or "none"
            yield f"{name}: domains apart at q < {ALPHA} (false discovery rate over the table): {found} ({'; '.join(parts)})."
        if untested:
            yield f"{name}: {', '.join(untested)} cannot be tested (a domain needs two tasks, and others beside it)."


def clustering_sentences(findings: Findings) -> Iterator[str]:
    """Do clusters of tasks agree with the domains?"""
    for _, row in findings.spoken("clustering").iterrows():
        if pd.isna(row["ari"]):
            yield f"{called(row)}: there are too few tasks to cluster."
            continue
        yield (
            f"{called(row)}: {int(row['clusters'])} clusters of {row['n']} tasks agree with the domains at an adjusted "
            f"Rand index of {row['ari']:.3f} ({p_text(row['p'])}), adjusted mutual information {row['ami']:.3f}."
        )


def consistency_sentences(findings: Findings, *, pairwise: bool = False) -> Iterator[str]:
    """Do models agree? ``pairwise``: compared on the tasks of the two (statistics.consistency)."""
    for drop, what in ((False, "overlaps"), (True, "accuracy drops")):
        rows = findings.rows("consistency", drop=drop)
        summary = rows[rows["model"] == ALL]
        for _, row in summary.iterrows():
            tau = "not defined" if pd.isna(row["tau"]) else f"{row['tau']:.3f}"
            sd = "" if pd.isna(row["sd"]) else f" (SD {row['sd']:.3f})"
            if pairwise:
                counts = dict.fromkeys([int(row["n_tasks"]), int(row["most_tasks"])])
                over = (
                    f"the tasks that the two of each pair include ({' to '.join(map(str, counts))})"
                )
            else:
                over = f"the {int(row['n_tasks'])} tasks common to all"
            text = f"Models agree on {what}: mean Kendall's tau {tau}{sd} over {int(row['n_pairs'])} pairs of models and {over}."
            if isinstance(row["note"], str) and row["note"]:
                text += f" Take no number from it: {row['note']}."
            yield text
        if summary.empty and not drop:
            yield "Fewer than two models, controls apart, have overlaps of this size: their agreement is not measured."


def robustness_sentences(findings: Findings) -> Iterator[str]:
    """Does it depend on the size of the circuits?"""
    for (_, _), rows in spoken(findings.sizes()).groupby(["model", "control"], sort=False):
        parts = [
            f"{row['percent']:g} %: {row['ratio']:.2f}"
            for _, row in rows.iterrows()
            if not pd.isna(row["ratio"])
        ]
        if parts:
            yield f"{called(rows.iloc[0])}: ratio of overlap within to across by size of the circuits, {'; '.join(parts)}."
