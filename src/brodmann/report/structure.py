"""The report's section on structure: do tasks of one domain share units, how sure is it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from brodmann.report.ceilings import OverCeilings, over_ceilings
from brodmann.report.domains import (
    BySize,
    WithoutAlike,
    domain_table,
    domain_verdicts,
    judged,
    sizes_of,
    untrained_of,
    verdicts_by_size,
)
from brodmann.report.findings import Findings, by_model, without_controls
from brodmann.report.page import Cell, Group, Section, Table
from brodmann.report.reliability import Reliability, reliability_group
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.units import strongest_units
from brodmann.report.verdicts import NONE, UNTESTED
from brodmann.report.wording import called_cell, points, points_between, share
from brodmann.statistics.printed import show_p
from brodmann.statistics.stages.confounds import confounds_table
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.statistics.structure_function import ALIKE
from brodmann.statistics.untrained import EVERY
from brodmann.tasks.domains import label

TITLE = "Do tasks of one domain share units?"
# Of what is opened on demand.
DOMAINS = "Each domain by itself"
SURFACE = "Is it only what the prompts look like?"
Ceilings = Mapping[float, Mapping[str, OverCeilings]]  # size of circuits in per cent -> model


def structure_section(sources: Sources, findings: Findings) -> Section:
    """Overlap within and across domains, after how reliable the circuits are that overlap."""
    component, say = findings.component, sources.say
    figures = sources.figures("overlap", sources.shown, component)
    main = [one for one in figures if one.path.stem.startswith("domains_overlap")]
    depth = [one for one in figures if one.path.stem.startswith("composition")]
    pairs = [one for one in figures if one not in (*main, *depth)]
    sizes = sources.figures("sizes", component=component)
    overlaps = partial(sources.overlaps, component=component)
    reliability = Reliability.of(sources, findings)
    verdicts = domain_verdicts(findings, reliability)
    by_size = verdicts_by_size(sources, findings)
    size_tables = _sizes_table(findings, by_size)
    ceilings = {size: over_ceilings(sources, own) for size, own in findings.by_size()}
    robust = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    confounds = confounds_table(findings.tables["confounds"], findings.overlap_sel)
    lost = confounds_table(findings.tables["confounds"], findings.drop_sel)
    alike = dict(_without_alike(sources, findings))
    groups = [
        reliability_group(sources, findings),
        Group(
            DOMAINS,
            say("structure.alike", ALIKE),
            [],
            [domain_table(findings, overlaps, reliability)],
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
                *size_tables,
                *_ceilings_table(ceilings),
                *printed_tables(robust, "overlap", component, "threshold_robustness"),
            ],
        ),
        Group("Where in the models the units are", figures=depth),
        strongest_units(sources, component),
    ]
    own = without_controls(findings.spoken("modularity"))["model"]
    return Section(
        f"{TITLE}{findings.suffix}",
        [
            *say("structure.lead", sources.study.selection.main),
            *say("structure.finding", findings, verdicts, alike, ALIKE),
            *_over_ceilings(sources, findings, ceilings),
            *say(
                "structure.by_size",
                {name: sizes_of(by_size, name) for name in own},
                bool(size_tables),
            ),
        ],
        main,
        [_main_table(sources, findings, ceilings.get(sources.study.selection.main, {}))],
        [group for group in groups if group],
    )


def _without_alike(sources: Sources, findings: Findings) -> Iterator[tuple[str, WithoutAlike]]:
    """Model -> its overlaps without pairs of nearly the same circuit, of models that have any."""
    for name in findings.rows("modularity")["model"]:
        table = sources.overlaps(name, findings.component)
        found = WithoutAlike.of(table, table, directed=False)
        if found.pairs:
            yield name, found


def _over_ceilings(sources: Sources, findings: Findings, ceilings: Ceilings) -> list[str]:
    """What is left of the excess over the untrained model, of the models that have one."""
    size, reliability = sources.study.selection.main, Reliability.of(sources, findings)
    said = []
    for model in ceilings.get(size, {}):
        every = {percent: own[model] for percent, own in ceilings.items() if model in own}
        found = _found(findings, reliability, model)
        said += sources.say("structure.over_ceilings", sources.called(model), every, size, found)
    return said


def _found(findings: Findings, reliability: Reliability, model: str) -> list[str]:
    """The domains of a model that are apart from the others by themselves."""
    rows = findings.rows("domain_modularity")
    own = rows[rows["model"] == model].to_dict("records")
    verdicts = {row["domain"]: judged(findings, row, reliability).level for row in own}
    return [domain for domain, level in verdicts.items() if level not in (NONE, UNTESTED)]


# Tables


def _main_table(
    sources: Sources, findings: Findings, ceilings: Mapping[str, OverCeilings]
) -> Table:
    reliability = Reliability.of(sources, findings)
    verdict = domain_verdicts(findings, reliability)
    rows: list[list[Cell]] = []
    for row in by_model(findings.rows("modularity")):
        beside, name = untrained_of(findings, row["model"]), row["model"]
        matrix = f"{name}/overlap/{findings.component}/{findings.overlap_sel}.containment.csv"
        rows.append(
            [
                sources.link(matrix, called_cell(row)),
                str(row["n"]),
                share(reliability.mean(name)),
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


def _sizes_table(findings: Findings, by_size: BySize) -> list[Table]:
    """What models have more than their untrained controls, for every size of circuits."""
    rows = [
        [
            row["model"],
            "all" if row["domain"] == EVERY else label(row["domain"]),
            f"{size:g}",
            points(row["difference"]),
            points(row["other_difference"]),
            points_between(row, "excess"),
            show_p(row["q"]),
            str(by_size.get((row["model"], row["domain"]), {}).get(size, "–")),
        ]
        for size, own in findings.by_size()
        for row in own.rows("untrained").to_dict("records")
    ]
    heads = ("model", "domain", "size (%)", "difference", "untrained difference")
    heads += ("more than untrained", "q of it", "verdict")
    caption = "Size of the circuits: more than the untrained model."
    found = Table(caption, heads, rows, frozenset({0, 1, 7}), "statistics/untrained.csv")
    return [found] if rows else []


def _ceilings_table(ceilings: Ceilings) -> list[Table]:
    """Differences relative to noise ceilings, for every size of circuits."""
    rows: list[list[Cell]] = [
        [
            model,
            f"{size:g}",
            f"{one.pairs} of {one.every}",
            one.counts,
            points(one.own),
            points(one.other),
            one.more,
            f"{points(one.raw_own)}; {points(one.raw_other)}",
        ]
        for size, models in ceilings.items()
        for model, one in models.items()
    ]
    heads = ("model", "size (%)", "pairs with ceilings", "of these within a domain", "difference")
    heads += ("untrained difference", "more than untrained", "overlaps alone")
    caption = (
        "Size of the circuits: differences relative to what circuits can share (noise ceilings)."
    )
    return [Table(caption, heads, rows, frozenset({0, 3}))] if rows else []
