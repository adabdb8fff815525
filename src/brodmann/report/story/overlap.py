"""Sentences on structure: overlap within and across domains, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from brodmann.pipeline.statistics import ALL
from brodmann.report.story.findings import ALPHA, Findings, spoken
from brodmann.report.story.wording import called, nothing_shared, p_text, share


def overlap_sentences(findings: Findings) -> Iterator[str]:
    """Within against across domains, model by model."""
    if findings.rows("modularity").empty:
        yield f"No model has overlaps of {findings.overlap_sel} circuits."
    for _, row in findings.spoken("modularity").iterrows():
        name = called(row)
        if row["n"] < 2 or pd.isna(row["within"]) or pd.isna(row["cross"]):
            yield f"{name}: {row['n']} tasks are included; there are no pairs within and across domains to compare."
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


def untrained_sentences(findings: Findings, untrained: Mapping[str, str]) -> Iterator[str]:
    """The difference within - across of a model beside that of the same model without training.

    ``untrained``: control -> the same model, trained. The two are put side by side at every size; no share of
    one in the other is made, as neither is known well enough.
    """
    sizes = findings.sizes()
    points = (100 * (sizes["within"] - sizes["cross"])).groupby([sizes["model"], sizes["percent"]])
    points = points.first().dropna()
    main = float(findings.overlap_sel.partition("-")[2].removesuffix("pct"))
    for control, trained in untrained.items():
        both = [
            (percent, points[trained, percent], points[control, percent])
            for percent in sorted(set(sizes["percent"]))
            if {(trained, percent), (control, percent)} <= set(points.index)
        ]
        here = [(own, other) for percent, own, other in both if percent == main]
        if not here:
            continue
        [(own, other)] = here
        text = (
            f"Beside the untrained control: tasks of one domain share {own:.1f} points more of their circuits' units than "
            f"tasks of different domains in {trained}, and {other:.1f} points more in {control} (the same architecture, random "
            f"weights), at {main:g} % of the units"
        )
        others = [
            f"{percent:g} %: {own:.1f} and {other:.1f}"
            for percent, own, other in both
            if percent != main
        ]
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
    """Do the domains come back without being told?"""
    for _, row in findings.spoken("clustering").iterrows():
        if pd.isna(row["ari"]):
            yield f"{called(row)}: there are too few tasks to cluster."
            continue
        yield (
            f"{called(row)}: {int(row['clusters'])} clusters of {row['n']} tasks agree with the domains at an adjusted "
            f"Rand index of {row['ari']:.3f} ({p_text(row['p'])}), adjusted mutual information {row['ami']:.3f}."
        )


def consistency_sentences(findings: Findings) -> Iterator[str]:
    """Do models agree?"""
    for drop, what in ((False, "overlaps"), (True, "accuracy drops")):
        rows = findings.rows("consistency", drop=drop)
        summary = rows[rows["model"] == ALL]
        for _, row in summary.iterrows():
            tau = "not defined" if pd.isna(row["tau"]) else f"{row['tau']:.3f}"
            sd = "" if pd.isna(row["sd"]) else f" (SD {row['sd']:.3f})"
            yield (
                f"Models agree on {what}: mean Kendall's tau {tau}{sd} over {int(row['n_pairs'])} pairs of models and "
                f"the {int(row['n_tasks'])} tasks common to all."
            )
        if summary.empty and not drop:
            yield "Fewer than two models that are no controls have overlaps of this size: there is no agreement to measure."


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
