"""The report's sections on structure: overlap, how sure it is, and what of it is the prompts' surface."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brodmann.circuits.overlap import LOW_CEILING, pair_ceilings
from brodmann.circuits.stages.overlap import RELIABILITY, SUMMARY
from brodmann.report.page import Group, Section
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.story import overlap as story
from brodmann.report.story.findings import Findings
from brodmann.report.story.surface import confound_sentences
from brodmann.statistics.stages.modularity import domain_table, modularity_table
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.store.tables import read_table


def overlap_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """Overlap within against across domains."""
    component = findings.component
    tables = findings.tables
    printed = [
        *modularity_table(tables["modularity"], findings.overlap_sel),
        *domain_table(tables["domain_modularity"], findings.overlap_sel),
    ]
    return Section(
        f"Do tasks of one domain share units?{suffix}",
        [
            "A circuit is the set of units that carry a task. If a cognitive domain is a module of the model, circuits "
            "of tasks of the domain share more units with each other than with those of other domains; in a model "
            "without training they should not."
        ],
        [
            *story.overlap_sentences(findings),
            *story.untrained_sentences(_beside(sources, component), sources.study.selection.main),
            *story.domain_sentences(findings),
            *story.clustering_sentences(findings),
        ],
        sources.figures("overlap", sources.shown, component),
        printed_tables(printed, "overlap", component),
    )


def _beside(sources: Sources, component: str) -> Iterator[story.Beside]:
    """Every untrained model with the same one trained."""
    study = sources.study
    for control, trained in study.trained_twins.items():
        overlaps = (sources.overlaps(control, component), sources.overlaps(trained, component))
        same = study.lender(control) == trained
        yield story.Beside.of(control, trained, overlaps, same_items=same)


def certainty_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """Other sizes of circuits, other models, other items."""
    component = findings.component
    printed = robustness_table(findings.tables["threshold_robustness"], findings.overlap_sel)
    reliable = [
        picture
        for name in sources.study.run_models
        for picture in sources.figures(
            "certainty",
            name,
            component,
            low=LOW_CEILING,
            unknown=_unknown(sources, findings, name),
        )
    ]
    return Section(
        f"How sure is that?{suffix}",
        ["Does the result hold at other sizes of circuits, in other models, and on other items?"],
        [
            *story.robustness_sentences(findings),
            *_reliability(sources, findings),
            *story.consistency_sentences(findings, pairwise=sources.pairwise),
        ],
        sources.figures("sizes", component=component),
        printed_tables(printed, "overlap", component),
        [Group("Overlaps over their noise ceiling", figures=reliable)] if reliable else [],
    )


def _unknown(sources: Sources, findings: Findings, name: str) -> str:
    """``8 of 66``: pairs of tasks whose noise ceiling is unknown or low."""
    table = _replicated(sources, findings, name, "reliability").set_index("task")["ceiling"]
    ceilings = pair_ceilings(list(table.index), table.to_dict())
    pairs = ceilings[np.triu_indices(len(table), 1)]
    return f"{int((~(pairs >= LOW_CEILING)).sum())} of {len(pairs)}"


def _replicated(sources: Sources, findings: Findings, name: str, what: str) -> pd.DataFrame:
    folder = sources.results / name / "overlap" / findings.component
    columns = RELIABILITY if what == "reliability" else SUMMARY
    return read_table(folder / f"{findings.overlap_sel}.{what}.csv", columns)


def _reliability(sources: Sources, findings: Findings) -> Iterator[str]:
    for name in sources.study.run_models:
        table = _replicated(sources, findings, name, "reliability")
        summary = _replicated(sources, findings, name, "summary")
        mean = table["ceiling"].mean()
        if pd.isna(mean):
            continue
        how = (
            "two lists of items"
            if (table["ceiling_from"] == "seed").all()
            else "two halves of its items"
        )
        text = f"{sources.called(name)}: a task's circuits from {how} share {100 * mean:.1f} % of their units (mean of {len(table)} tasks)"
        within = summary[(summary["measure"] == "containment") & (summary["pairs"] == "within")]
        for _, row in within.iterrows():
            if not pd.isna(row["low"]):
                text += (
                    f"; overlap within domains {100 * row['mean']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}] "
                    f"({int(row['n_bootstraps'])} resamples of the items)"
                )
        yield text + "."


def surface_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """What of the domain effect the prompts' surface explains."""
    findings_text = list(confound_sentences(findings))
    if sources.study.imported_models:
        findings_text.append(
            f"{', '.join(sources.study.imported_models)}: results only. Their prompts are not known, so that surface "
            "cannot be held constant."
        )
    return Section(
        f"Is it only what the prompts look like?{suffix}",
        [
            "Tasks of a domain also look alike: they share answers, final tokens, words and formats. Does the domain matter "
            "beside these?"
        ],
        findings_text,
        sources.figures("surface", component=findings.component),
    )
