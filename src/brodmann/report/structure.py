"""The report's section on structure: do tasks of one domain share units, how sure is it, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.masks import HEADER as MASK
from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.report import verdicts
from brodmann.report.findings import Findings, by_model, without_controls
from brodmann.report.page import Cell, Group, Picture, Section, Table
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.units import strongest_units
from brodmann.report.verdicts import Excess, Verdict
from brodmann.report.wording import called_cell, points, points_between, share
from brodmann.statistics.modularity import gap
from brodmann.statistics.printed import show_p
from brodmann.statistics.stages.confounds import confounds_table
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.statistics.structure_function import ALIKE
from brodmann.statistics.untrained import EVERY
from brodmann.store.tables import read_matrix, read_table
from brodmann.tasks.catalogue import domain_of
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
    ceilings, reliable = over_ceilings(sources, findings), mean_reliability(sources, findings)
    overlaps = partial(sources.overlaps, component=component)
    robust = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    confounds = confounds_table(findings.tables["confounds"], findings.overlap_sel)
    lost = confounds_table(findings.tables["confounds"], findings.drop_sel)
    groups = [
        _reliability(sources, findings),
        Group(
            DOMAINS,
            say("structure.alike", ALIKE),
            tables=[_domain_table(findings, reliable, overlaps)],
        ),
        Group("All pairs of tasks", say("structure.clustering", findings), pairs),
        Group(
            SURFACE,
            [
                *say("structure.surface", findings),
                *say("structure.imported", sources.study.imported_models),
            ],
            sources.figures("surface", component=component),
            [
                *printed_tables(confounds, "overlap", component, "confounds"),
                *printed_tables(lost, "ablation", component, "confounds"),
            ],
        ),
        Group(
            "Other sizes of circuits, other models",
            [
                *say("structure.sizes"),
                *say("structure.consistency", findings, pairwise=sources.pairwise),
            ],
            sizes,
            [
                *_sizes_table(sources, findings),
                *printed_tables(robust, "overlap", component, "threshold_robustness"),
            ],
        ),
        Group("Where in the models the units are", figures=depth),
        strongest_units(sources, component),
    ]
    return Section(
        f"{TITLE}{findings.suffix}",
        [
            *say("structure.lead", sources.study.selection.main),
            *say("structure.finding", findings, overlap_verdicts(sources, findings), ceilings),
        ],
        main,
        [_main_table(sources, findings, ceilings)],
        [group for group in groups if group],
    )


# Verdicts


def untrained_of(
    findings: Findings, model: str, domain: str = EVERY, *, drop: bool = False
) -> dict[str, Any] | None:
    """A model's row of the comparison with its untrained control, if it has one."""
    own = findings.beside_untrained(model, domain, drop=drop)
    return None if own.empty else own.iloc[0].to_dict()


def judged(
    p: float, beside: Mapping[str, Any] | None, reliability: Mapping[str, float] | None = None
) -> Verdict:
    """Of a model's own p and its row of the comparison. ``reliability``: model -> share of its circuits that
    comes back; none where the effect is no overlap."""
    if beside is None:
        return verdicts.apart(p, None)
    known = 1.0 if reliability is None else reliability.get(beside["other"], np.nan)
    return verdicts.apart(p, Excess(beside["q"], beside["low"], known))


def domain_verdicts(
    findings: Findings, reliability: Mapping[str, float] | None = None, *, drop: bool = False
) -> dict[str, Verdict]:
    """Model (or the average) -> whether its domains are apart, in overlap or in what breaks.

    Controls have no verdict. ``reliability``: see ``judged``.
    """
    rows = without_controls(findings.rows("modularity", drop=drop))
    return {
        row["model"]: judged(row["p"], untrained_of(findings, row["model"], drop=drop), reliability)
        for row in rows.to_dict("records")
    }


def overlap_verdicts(sources: Sources, findings: Findings) -> dict[str, Verdict]:
    """The same of overlap, which rests on how reliable the control's circuits are."""
    return domain_verdicts(findings, mean_reliability(sources, findings))


# Tables


def _main_table(
    sources: Sources, findings: Findings, ceilings: Mapping[str, OverCeilings]
) -> Table:
    verdict = overlap_verdicts(sources, findings)
    rows: list[list[Cell]] = []
    reliable = mean_reliability(sources, findings)
    for row in by_model(findings.rows("modularity")):
        beside, name = untrained_of(findings, row["model"]), row["model"]
        matrix = f"{name}/overlap/{findings.component}/{findings.overlap_sel}.containment.csv"
        rows.append(
            [
                sources.link(matrix, called_cell(row)),
                str(row["n"]),
                share(reliable.get(name, np.nan)),
                share(row["within"]),
                share(row["cross"]),
                points(row["difference"]),
                show_p(row["q"]),
                "–" if beside is None else points_between(beside, "excess"),
                "–" if name not in ceilings else ceilings[name].text,
                str(verdict.get(name, "–")),
            ]
        )
    heads = ("model", "tasks", "circuits that come back", "within domains", "across domains")
    heads += ("difference", "q", "more than untrained", "over the noise ceiling", "verdict")
    caption = "Overlap of circuits (containment), model by model."
    return Table(caption, heads, rows, frozenset({0, 8, 9}), "statistics/modularity.csv")


def _domain_table(
    findings: Findings,
    reliable: Mapping[str, float],
    overlaps: Callable[[str], pd.DataFrame],
) -> Table:
    """``reliable``: of ``mean_reliability``; ``overlaps``: model -> what its circuits share."""
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
                _without_alike(overlaps(row["model"]), row["domain"]),
                share(row["cross"]),
                points(row["difference"]),
                show_p(p),
                "–" if beside is None else points(beside["other_difference"]),
                "–" if beside is None else points_between(beside, "excess"),
                "–" if beside is None else show_p(beside["q"]),
                "–" if row["control"] else str(judged(p, beside, reliable)),
            ]
        )
    heads = ("model", "domain", "tasks", "within domains", "without alike", "across domains")
    heads += ("difference", "q", "untrained difference", "more than untrained", "q of it")
    caption = (
        "Each domain: pairs within it, and pairs of one of its tasks and one of another domain."
    )
    source = "statistics/domain_modularity.csv"
    return Table(caption, (*heads, "verdict"), rows, frozenset({0, 1, 11}), source)


def _without_alike(overlaps: pd.DataFrame, domain: str) -> str:
    """``9.2 % (3)``: mean overlap within a domain without pairs of nearly the same circuit (how many)."""
    tasks = [task for task in overlaps.index if domain_of(task) == domain]
    values = overlaps.loc[tasks, tasks].to_numpy(dtype=float)[np.triu_indices(len(tasks), 1)]
    others = values[values < ALIKE]
    number = int((values >= ALIKE).sum())
    return share(float(others.mean()) if len(others) else np.nan) + (
        f" ({number})" if number else ""
    )


def _sizes_table(sources: Sources, findings: Findings) -> list[Table]:
    """What models have more than their untrained controls, for every size of circuits."""
    table = findings.tables["untrained"]
    sign = f"{findings.overlap_sel.partition('-')[0]}-"
    chosen = table["sel"].str.startswith(sign) & (table["measure"] == "containment")
    own = table[chosen & (table["component"] == findings.component)]
    rows = [
        [
            row["model"],
            "all" if row["domain"] == EVERY else label(row["domain"]),
            row["sel"].removeprefix(sign).removesuffix("pct"),
            points(row["difference"]),
            points(row["other_difference"]),
            points_between(row, "excess"),
            show_p(row["q"]),
        ]
        for row in own.to_dict("records")
    ]
    heads = ("model", "domain", "size (%)", "difference", "untrained difference")
    heads += ("more than untrained", "q of it")
    caption = "Size of the circuits: more than the untrained model."
    found = Table(caption, heads, rows, frozenset({0, 1}), "statistics/untrained.csv")
    return [found] if rows else []


# Over the noise ceiling


@dataclass(frozen=True)
class OverCeilings:
    """How far domains are apart in a model and its untrained control, relative to what their circuits can
    share: over the ``pairs`` of tasks whose noise ceilings are not low in either."""

    pairs: int
    own: float
    other: float

    def explain(self, row: Mapping[str, Any]) -> bool:
        """Whether they leave less than half of what the model has more. ``row``: of the comparison."""
        if not self.own > 0 or not row["difference"] > 0:
            return False
        return (self.own - self.other) / self.own < row["excess"] / row["difference"] / 2

    @property
    def text(self) -> str:
        """In a cell."""
        return f"{points(self.own)}; untrained {points(self.other)}"


def over_ceilings(sources: Sources, findings: Findings) -> dict[str, OverCeilings]:
    """Of every model that was run and has an untrained control."""
    matrices = dict(_corrected(sources, findings))
    found = {}
    for row in findings.rows("untrained").to_dict("records"):
        pair = [matrices.get(row[name]) for name in ("model", "other")]
        if row["domain"] == EVERY and pair[0] is not None and pair[1] is not None:
            tasks = [task for task in pair[0].index if task in set(pair[1].index)]
            values = [one.loc[tasks, tasks].to_numpy(dtype=float) for one in pair]
            known = np.isfinite(values[0]) & np.isfinite(values[1])
            gaps = [gap(np.where(known, own, np.nan), [*map(domain_of, tasks)]) for own in values]
            pairs = int(known[np.triu_indices(len(tasks), 1)].sum())
            found[row["model"]] = OverCeilings(pairs, *gaps)
    return found


def _corrected(sources: Sources, findings: Findings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Of every model that was run: overlaps over their noise ceilings, NaN where these are low."""
    stem = f"overlap/{findings.component}/{findings.overlap_sel}.noise_corrected.csv"
    for name, table, _ in reliabilities(sources, findings):
        values = read_matrix(sources.results / name / stem)
        rates = table.set_index("task")["ceiling"].to_dict()
        yield name, values.where(pair_ceilings(list(values.index), rates) >= LOW_CEILING)


# Reliability


def reliabilities(
    sources: Sources, findings: Findings
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
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
    return {
        name: float(table["ceiling"].mean()) for name, table, _ in reliabilities(sources, findings)
    }


def _reliability(sources: Sources, findings: Findings) -> Group:
    rows: list[list[Cell]] = []
    figures: list[Picture] = []
    stem = f"overlap/{findings.component}/{findings.overlap_sel}.reliability.csv"
    for name, table, summary in reliabilities(sources, findings):
        told = {"low": LOW_CEILING, "unknown": _unknown(table)}
        figures += sources.figures("certainty", name, findings.component, **told)
        own = summary[(summary["measure"] == "containment") & (summary["pairs"] == "within")]
        between = [points_between(row, "mean") for row in own.to_dict("records")]
        ceiling, carried = table["ceiling"], effect_shares(sources, findings, name, table["task"])
        lists = "two lists of items"
        halves = "two halves of the items"
        seeds = table["ceiling_from"].eq("seed").all()
        rows.append(
            [
                sources.link(f"{name}/{stem}", sources.called(name)),
                str(len(table)),
                lists if seeds else f"{halves}, {items_used(table)} in all",
                share(ceiling.mean()),
                f"{share(ceiling.min())} to {share(ceiling.max())}",
                # Where a model cannot do a task, there is next to no effect to have a share of.
                "–"
                if name in sources.study.controls
                else f"{share(carried.mean())} ({share(carried.min())} to {share(carried.max())})",
                between[0] if between else "–",
                "–"
                if name in sources.study.controls
                else str(verdicts.reliable(float(ceiling.mean()))),
            ]
        )
    if not rows:
        return Group(RELIABLE)
    heads = ("model", "tasks", "circuits from", "circuits that come back", "range over tasks")
    heads += ("share of the effect, circuit", "within domains, items resampled", "verdict")
    caption = "Share of a circuit's units that a circuit of other items has, too."
    return Group(
        RELIABLE,
        sources.say("structure.reliability"),
        figures,
        [Table(caption, heads, rows, frozenset({0, 2, 7}))],
    )


def effect_shares(
    sources: Sources, findings: Findings, name: str, tasks: Iterable[str]
) -> pd.Series:
    """What the attributions of each task's circuit add up to, as a share of the task's effect."""
    folder = sources.results / name / "masks" / findings.component / findings.overlap_sel
    sums = [read_table(folder / f"{task}.csv", MASK)["score"].sum() for task in tasks]
    return pd.Series(sums, dtype=float)


def items_used(reliability: pd.DataFrame) -> str:
    """``20 to 32 items``: from which circuits were found, task by task."""
    ends = dict.fromkeys([int(reliability["n_items"].min()), int(reliability["n_items"].max())])
    return f"{' to '.join(map(str, ends))} items"


def _unknown(reliability: pd.DataFrame) -> str:
    """``8 of 66``: pairs of tasks whose noise ceiling is unknown or low."""
    table = reliability.set_index("task")["ceiling"]
    ceilings = pair_ceilings(list(table.index), table.to_dict())
    pairs = ceilings[np.triu_indices(len(table), 1)]
    return f"{int((~(pairs >= LOW_CEILING)).sum())} of {len(pairs)}"
