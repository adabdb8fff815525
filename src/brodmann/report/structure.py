"""The report's section on structure: do tasks of one domain share units, how sure is it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.report import verdicts
from brodmann.report.findings import Findings, by_model, without_controls
from brodmann.report.page import Cell, Group, Picture, Section, Table
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.units import strongest_units
from brodmann.report.verdicts import Untrained, Verdict
from brodmann.report.wording import called_cell, points, points_between, share
from brodmann.statistics.printed import show_p
from brodmann.statistics.stages.confounds import confounds_table
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.statistics.untrained import EVERY
from brodmann.store.tables import read_table
from brodmann.tasks.domains import label

TITLE = "Do tasks of one domain share units?"
# Of what is opened on demand.
RELIABLE, DOMAINS = "How reliable are the circuits?", "Each domain by itself"
SURFACE = "Is it only what the prompts look like?"


def structure_section(sources: Sources, findings: Findings) -> Section:
    """Overlap within and across domains, after how reliable the circuits are that overlap."""
    component, say = findings.component, sources.say
    figures = sources.figures("overlap", sources.shown, component)
    main = [one for one in figures if one.path.stem.startswith("domains_overlap")]
    depth = [one for one in figures if one.path.stem.startswith("composition")]
    pairs = [one for one in figures if one not in (*main, *depth)]
    sizes = sources.figures("sizes", component=component)
    robust = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    confounds = confounds_table(findings.tables["confounds"], findings.overlap_sel)
    groups = [
        _reliability(sources, findings),
        Group(DOMAINS, tables=[_domain_table(findings)]),
        Group("All pairs of tasks", say("structure.clustering", findings), pairs),
        Group(
            SURFACE,
            [
                *say("structure.surface", findings),
                *say("structure.imported", sources.study.imported_models),
            ],
            sources.figures("surface", component=component),
            printed_tables(confounds, "overlap", component, "confounds"),
        ),
        Group(
            "Other sizes of circuits, other models",
            say("structure.consistency", findings, pairwise=sources.pairwise),
            sizes,
            printed_tables(robust, "overlap", component, "threshold_robustness"),
        ),
        Group("Where in the models the units are", figures=depth),
        strongest_units(sources, component),
    ]
    return Section(
        f"{TITLE}{findings.suffix}",
        [*say("structure.lead"), *say("structure.finding", findings, domain_verdicts(findings))],
        main,
        [_main_table(sources, findings)],
        [group for group in groups if group],
    )


# Verdicts


def untrained_of(
    findings: Findings, model: str, domain: str = EVERY, *, drop: bool = False
) -> dict[str, Any] | None:
    """A model's row of the comparison with its untrained control, if it has one."""
    own = findings.beside_untrained(model, domain, drop=drop)
    return None if own.empty else own.iloc[0].to_dict()


def judged(p: float, beside: Mapping[str, Any] | None) -> Verdict:
    """Of a model's own p and its row of the comparison."""
    if beside is None:
        return verdicts.apart(p, None)
    test = Untrained(beside["other_p"], beside["q"], beside["low"])
    return verdicts.apart(p, test)


def domain_verdicts(findings: Findings, *, drop: bool = False) -> dict[str, Verdict]:
    """Model (or the average) -> whether its domains are apart, in overlap or in what breaks.

    Controls have no verdict.
    """
    rows = without_controls(findings.rows("modularity", drop=drop))
    return {
        row["model"]: judged(row["p"], untrained_of(findings, row["model"], drop=drop))
        for row in rows.to_dict("records")
    }


# Tables


def _main_table(sources: Sources, findings: Findings) -> Table:
    verdict = domain_verdicts(findings)
    rows: list[list[Cell]] = []
    reliable = mean_reliability(sources, findings)
    for row in by_model(findings.rows("modularity")):
        beside = untrained_of(findings, row["model"])
        matrix = (
            f"{row['model']}/overlap/{findings.component}/{findings.overlap_sel}.containment.csv"
        )
        rows.append(
            [
                sources.link(matrix, called_cell(row)),
                str(row["n"]),
                share(reliable.get(row["model"], np.nan)),
                share(row["within"]),
                share(row["cross"]),
                points(row["difference"]),
                show_p(row["p"]),
                show_p(row["q"]),
                "–" if beside is None else points_between(beside, "excess"),
                str(verdict.get(row["model"], "–")),
            ]
        )
    heads = ("model", "tasks", "circuits that come back", "within domains", "across domains")
    heads += ("difference", "p", "q", "more than untrained", "verdict")
    caption = "Overlap of circuits (containment), model by model."
    return Table(caption, heads, rows, frozenset({0, 9}), "statistics/modularity.csv")


def _domain_table(findings: Findings) -> Table:
    rows = []
    for row in by_model(findings.rows("domain_modularity")):
        beside = untrained_of(findings, row["model"], row["domain"])
        zero = row["within"] == 0 and row["cross"] == 0
        p = np.nan if zero else row["q"]
        rows.append(
            [
                called_cell(row),
                label(row["domain"]),
                str(row["n_domain"]),
                share(row["within"]),
                share(row["cross"]),
                points(row["difference"]),
                show_p(p),
                "–" if beside is None else points(beside["other_difference"]),
                "–" if beside is None else points_between(beside, "excess"),
                "–" if row["control"] else str(judged(p, beside)),
            ]
        )
    heads = ("model", "domain", "tasks", "within domains", "across domains", "difference", "q")
    heads += ("untrained difference", "more than untrained", "verdict")
    caption = (
        "Each domain: pairs within it, and pairs of one of its tasks and one of another domain."
    )
    return Table(caption, heads, rows, frozenset({0, 1, 9}), "statistics/domain_modularity.csv")


# Reliability


def _read(sources: Sources, findings: Findings) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Of every model that was run: its reliability by task, and its overlaps with intervals."""
    for name in sources.study.run_models:
        stem = f"{name}/overlap/{findings.component}/{findings.overlap_sel}"
        yield (
            name,
            read_table(sources.results / f"{stem}.reliability.csv", RELIABILITY),
            read_table(sources.results / f"{stem}.summary.csv", SUMMARY),
        )


def mean_reliability(sources: Sources, findings: Findings) -> dict[str, float]:
    """Model -> share of a circuit that circuits of other items share, mean over tasks."""
    return {name: float(table["ceiling"].mean()) for name, table, _ in _read(sources, findings)}


def _reliability(sources: Sources, findings: Findings) -> Group:
    rows: list[list[Cell]] = []
    figures: list[Picture] = []
    stem = f"overlap/{findings.component}/{findings.overlap_sel}.reliability.csv"
    for name, table, summary in _read(sources, findings):
        told = {"low": LOW_CEILING, "unknown": _unknown(table)}
        figures += sources.figures("certainty", name, findings.component, **told)
        own = summary[(summary["measure"] == "containment") & (summary["pairs"] == "within")]
        between = [points_between(row, "mean") for row in own.to_dict("records")]
        ceiling = table["ceiling"]
        lists = "two lists of items"
        halves = "two halves of the items"
        seeds = table["ceiling_from"].eq("seed").all()
        rows.append(
            [
                sources.link(f"{name}/{stem}", sources.called(name)),
                str(len(table)),
                lists if seeds else halves,
                share(ceiling.mean()),
                f"{share(ceiling.min())} to {share(ceiling.max())}",
                between[0] if between else "–",
                str(verdicts.reliable(float(ceiling.mean()))),
            ]
        )
    if not rows:
        return Group(RELIABLE)
    heads = ("model", "tasks", "circuits from", "circuits that come back", "range over tasks")
    heads += ("within domains, interval", "verdict")
    caption = "Share of a circuit's units that a circuit of other items has, too."
    return Group(
        RELIABLE,
        sources.say("structure.reliability"),
        figures,
        [Table(caption, heads, rows, frozenset({0, 2, 6}))],
    )


def _unknown(reliability: pd.DataFrame) -> str:
    """``8 of 66``: pairs of tasks whose noise ceiling is unknown or low."""
    table = reliability.set_index("task")["ceiling"]
    ceilings = pair_ceilings(list(table.index), table.to_dict())
    pairs = ceilings[np.triu_indices(len(table), 1)]
    return f"{int((~(pairs >= LOW_CEILING)).sum())} of {len(pairs)}"
