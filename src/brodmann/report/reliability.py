"""How reliable circuits are: what of them comes back on other items, and how much of a task each carries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brodmann.circuits.against_controls import own_against_random
from brodmann.circuits.masks import HEADER as MASK
from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.report import verdicts
from brodmann.report.findings import Findings
from brodmann.report.page import Cell, Group, Picture, Table
from brodmann.report.sources import Sources
from brodmann.report.verdicts import MODERATE
from brodmann.report.wording import points_between, share
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import label

RELIABLE = "How reliable are the circuits?"  # opened on demand


def reliabilities(
    sources: Sources, findings: Findings
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Of every model that was run: its reliability by task, and its overlaps with intervals."""
    for name, table in Reliability.of(sources, findings).tables.items():
        stem = f"{name}/overlap/{findings.component}/{findings.overlap_sel}"
        yield name, table, read_table(sources.results / f"{stem}.summary.csv", SUMMARY)


class Reliability:
    """Share of circuits' units that circuits of other items have, too: of models, and of domains in them.

    ``tables``: model -> its reliability by task; of other models (averages, results that were taken over)
    it is not known.
    """

    def __init__(self, tables: dict[str, pd.DataFrame]) -> None:
        self.tables = tables

    @classmethod
    def of(cls, sources: Sources, findings: Findings) -> Reliability:
        """At the size of circuits that ``findings`` are about."""
        return cls.at(sources, findings.component, findings.overlap_sel)

    @classmethod
    def at(cls, sources: Sources, component: str, sel: str) -> Reliability:
        """Of circuits of one kind of unit, of one selection."""
        paths = {
            name: sources.results / name / "overlap" / component / f"{sel}.reliability.csv"
            for name in sources.study.run_models
        }
        return cls({name: read_table(path, RELIABILITY) for name, path in paths.items()})

    def mean(self, model: str, domain: str = "") -> float:
        """Over the tasks of a model, or of one of its domains; NaN if unknown."""
        table = self.tables.get(model)
        if table is None:
            return float("nan")
        inside = [not domain or domain_of(task) == domain for task in table["task"]]
        return float(table.loc[inside, "ceiling"].mean())


def effect_shares(sources: Sources, findings: Findings, name: str, tasks: pd.Series) -> pd.Series:
    """What the attributions of each task's circuit add up to, as a share of the task's effect."""
    folder = sources.results / name / "masks" / findings.component / findings.overlap_sel
    sums = [read_table(folder / f"{task}.csv", MASK)["score"].sum() for task in tasks]
    return pd.Series(sums, dtype=float)


def items_used(reliability: pd.DataFrame) -> str:
    """``20 to 32 items``: from which circuits were found, task by task."""
    ends = dict.fromkeys([int(reliability["n_items"].min()), int(reliability["n_items"].max())])
    return f"{' to '.join(map(str, ends))} items"


def reliability_group(sources: Sources, findings: Findings) -> Group:
    """What is opened on demand: models, then their tasks."""
    rows: list[list[Cell]] = []
    figures: list[Picture] = []
    stem = f"overlap/{findings.component}/{findings.overlap_sel}.reliability.csv"
    for name, table, summary in reliabilities(sources, findings):
        told = {"low": 100 * LOW_CEILING, "unknown": _unknown(table)}
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
        [Table(caption, heads, rows, frozenset({0, 2, 7})), *_task_tables(sources, findings)],
    )


def _task_tables(sources: Sources, findings: Findings) -> list[Table]:
    """Of each model that is no control: how far each circuit is one, task by task."""
    return [
        _task_table(sources, findings, name, table)
        for name, table, _ in reliabilities(sources, findings)
        if name not in sources.study.controls and len(table)
    ]


def _task_table(
    sources: Sources, findings: Findings, name: str, reliability: pd.DataFrame
) -> Table:
    lost = pd.Series(dtype=float)
    if name in sources.study.measured_models:
        lesions = own_against_random(sources.lesions(name, findings.component))
        lost = lesions.set_index("target")["own"]
    carried = effect_shares(sources, findings, name, reliability["task"])
    rows: list[list[Cell]] = [
        [
            f"{label(domain_of(row['task']))}: {sources.task(row['task'])}",
            str(int(row["n_items"])),
            share(row["ceiling"]),
            share(effect),
            share(lost.get(row["task"], np.nan)),
        ]
        for row, effect in zip(reliability.to_dict("records"), carried, strict=True)
    ]
    heads = (
        "task",
        "items of the circuit",
        "circuit that comes back",
        "share of the effect, circuit",
    )
    heads += ("own circuit",)
    stem = f"{name}/overlap/{findings.component}/{findings.overlap_sel}.reliability.csv"
    caption = (
        f"{sources.called(name)}: each circuit by itself. Below {share(MODERATE)} it is unreliable."
    )
    return Table(caption, heads, rows, frozenset({0}), stem)


def _unknown(reliability: pd.DataFrame) -> str:
    """``8 of 66``: pairs of tasks whose noise ceiling is unknown or low."""
    table = reliability.set_index("task")["ceiling"]
    ceilings = pair_ceilings(list(table.index), table.to_dict())
    pairs = ceilings[np.triu_indices(len(table), 1)]
    return f"{int((~(pairs >= LOW_CEILING)).sum())} of {len(pairs)}"
