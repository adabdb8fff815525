"""The top of the report: its main findings in a few lines, from the same tables as the sections below."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import pandas as pd

from brodmann.circuits.against_controls import own_against_random
from brodmann.figures.localizer import NETWORK_NAMES
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.page import Section
from brodmann.report.sources import Sources
from brodmann.report.story.findings import Findings
from brodmann.report.story.function import own_test
from brodmann.report.story.localizers import Lesion
from brodmann.report.story.networks import Inhibition
from brodmann.report.story.surface import regressions, verdict
from brodmann.report.story.wording import big, called, listed, p_text, share
from brodmann.store.tables import read_table


def summary_section(sources: Sources, findings: Findings) -> Section:
    """Overlap, surface, ablation, localizers and networks, a line each; of several kinds of unit the first."""
    lines = [
        *_line("Overlap within against across domains", _overlap(findings)),
        *_line("Same domain beside surface similarity", _surface(findings)),
        *_line(
            "Accuracy lost when circuits are silenced",
            chain(_own(sources, findings.component), _others(findings)),
        ),
        *_line("Perplexity without localized units", _lesions(sources)),
        *_line("Perplexity without a functional network", _inhibited(sources)),
    ]
    lead = (
        "One line per question; tests, intervals, controls and caveats are in the sections below."
    )
    return Section("In short", [lead], lines or ["No model of this study has results to compare."])


def _line(question: str, answers: Iterator[str]) -> list[str]:
    text = "; ".join(answers)
    return [f"{question}: {text}."] if text else []


def _named(row: pd.Series) -> str:
    name = called(row)
    return name[0].lower() + name[1:] if name.startswith(("On average", "Over all")) else name


def _overlap(findings: Findings) -> Iterator[str]:
    for _, row in findings.spoken("modularity").iterrows():
        if not pd.isna(row["difference"]):
            yield f"{_named(row)} {share(row['within'])} against {share(row['cross'])} ({p_text(row['p'])})"


def _surface(findings: Findings) -> Iterator[str]:
    for alone, beside, _ in regressions(findings):
        if not pd.isna(alone["coefficient"]) and not pd.isna(beside["coefficient"]):
            yield f"{_named(alone)}: the domain effect on overlap {verdict(alone, beside)}"


def _own(sources: Sources, component: str) -> Iterator[str]:
    for name in sources.study.measured_models:
        table = own_against_random(sources.lesions(name, component))
        column = next((c for c in ("layer_matched", "random") if table[c].notna().any()), None)
        if column is not None and len(table):
            yield (
                f"{sources.called(name)} {share(table['own'].mean())} to a task's own circuit, "
                f"{share(table[column].mean())} to as many random units "
                f"({own_test(table['own'], table[column], split=sources.study.tasks.split)})"
            )


def _others(findings: Findings) -> Iterator[str]:
    for _, row in findings.spoken("modularity", drop=True).iterrows():
        if not pd.isna(row["difference"]):
            yield (
                f"{_named(row)} {share(row['within'])} to other circuits of the domain, {share(row['cross'])} to those of "
                f"other domains ({p_text(row['p'])})"
            )


def _lesions(sources: Sources) -> Iterator[str]:
    settings = sources.study.localizer
    for name in sources.study.run_models:
        for network in settings.networks:
            folder = sources.results / name / "localizer" / network
            table = read_table(folder / "lesion.csv", LESIONS)
            for lesion in islice(Lesion.all_of(table), 1):
                intact, corpus = lesion.intact["perplexity", ""], lesion.corpus
                yield (
                    f"{sources.called(name)}, {NETWORK_NAMES.get(network, network)}: {big(intact)} intact, "
                    f"{big(corpus['value'])} without {int(corpus['k'])} units{_without_random(lesion.random)}"
                )


def _inhibited(sources: Sources) -> Iterator[str]:
    for name in sources.study.network_models:
        found = Inhibition.of(
            read_table(sources.results / name / "networks" / "editing.csv", EDITING)
        )
        if found is None:
            continue
        worst = found.worst
        yield (
            f"{sources.called(name)}: {big(worst['intact'])} intact, {big(worst['value'])} without the {int(worst['n_units'])} "
            f"units of the costliest of {len(found.rows)} networks{_without_random(found.random)}"
        )


def _without_random(perplexities: pd.Series) -> str:
    return f", {listed(map(big, perplexities))} without random ones" if len(perplexities) else ""
