"""The report's sections on structure: overlap, how sure it is, and what of it is the prompts' surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.report.findings import Findings
from brodmann.report.page import Group, Section
from brodmann.report.sources import Sources, contrasts, printed_tables
from brodmann.statistics.modularity import gap
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.store.tables import read_table
from brodmann.tasks.catalogue import domain_of


def overlap_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """Overlap within against across domains."""
    component, say = findings.component, sources.say
    main = sources.study.selection.main
    return Section(
        f"Do tasks of one domain share units?{suffix}",
        say("overlap.lead"),
        [
            *say("overlap.within", findings),
            *say("overlap.untrained", _beside(sources, component), main),
            *say("overlap.domains", findings),
            *say("overlap.clustering", findings),
        ],
        sources.figures("overlap", sources.shown, component),
        contrasts(findings, "overlap"),
    )


@dataclass(frozen=True)
class Beside:
    """An untrained model and the same one trained, on the tasks that both include."""

    control: str
    trained: str
    same_items: bool  # whether they were run on the same items of each task
    n_tasks: int
    # Size in per cent -> mean(within) - mean(cross) of the trained model and of the control, in points.
    points: Mapping[float, tuple[str, str]]

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
        points, tasks = {}, []
        for percent in sorted(set(overlaps[0]) & set(overlaps[1])):
            other, own = overlaps[0][percent], overlaps[1][percent]
            tasks = [task for task in own.index if task in set(other.index)]
            domains = [domain_of(task) for task in tasks]
            pair = [100 * gap(t.loc[tasks, tasks].to_numpy(), domains) for t in (own, other)]
            if np.isfinite(pair).all():
                points[percent] = (f"{pair[0]:.1f}", f"{pair[1]:.1f}")
        return cls(control, trained, same_items, len(tasks), points)


def _beside(sources: Sources, component: str) -> Iterator[Beside]:
    """Every untrained model with the same one trained."""
    study = sources.study
    for control, trained in study.trained_twins.items():
        overlaps = (sources.overlaps(control, component), sources.overlaps(trained, component))
        same = study.lender(control) == trained
        yield Beside.of(control, trained, overlaps, same_items=same)


def certainty_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """Other sizes of circuits, other models, other items."""
    component, say = findings.component, sources.say
    printed = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    reliable, replicated = [], []
    for name in sources.study.run_models:
        stem = f"{sources.results}/{name}/overlap/{component}/{findings.overlap_sel}"
        tasks = read_table(f"{stem}.reliability.csv", RELIABILITY)
        summary = read_table(f"{stem}.summary.csv", SUMMARY)
        replicated.append((sources.called(name), tasks, summary))
        told = {"low": LOW_CEILING, "unknown": _unknown(tasks)}
        reliable += sources.figures("certainty", name, component, **told)
    return Section(
        f"How sure is that?{suffix}",
        ["Does the result hold at other sizes of circuits, in other models, and on other items?"],
        [
            *say("overlap.robustness", findings),
            *say("overlap.reliability", replicated),
            *say("overlap.consistency", findings, pairwise=sources.pairwise),
        ],
        sources.figures("sizes", component=component),
        printed_tables(printed, "overlap", component),
        [Group("Overlaps over their noise ceiling", figures=reliable)] if reliable else [],
    )


def _unknown(reliability: pd.DataFrame) -> str:
    """``8 of 66``: pairs of tasks whose noise ceiling is unknown or low."""
    table = reliability.set_index("task")["ceiling"]
    ceilings = pair_ceilings(list(table.index), table.to_dict())
    pairs = ceilings[np.triu_indices(len(table), 1)]
    return f"{int((~(pairs >= LOW_CEILING)).sum())} of {len(pairs)}"


def surface_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """What of the domain effect the prompts' surface explains."""
    say, imported = sources.say, sources.study.imported_models
    return Section(
        f"Is it only what the prompts look like?{suffix}",
        say("overlap.surface_lead"),
        [*say("overlap.surface", findings), *say("overlap.imported", imported)],
        sources.figures("surface", component=findings.component),
    )
