"""The report's section on function: what breaks when a circuit is silenced."""

from __future__ import annotations

from collections.abc import Iterator

from brodmann.circuits.against_controls import own_against_random
from brodmann.config.study import Study
from brodmann.report.page import Group, Section
from brodmann.report.sources import Sources, printed_tables
from brodmann.report.story import function as story
from brodmann.report.story.findings import Findings
from brodmann.statistics.stages.modularity import domain_table, modularity_table

# Figures of more models than that are folded.
UNFOLDED = 4
# Of models whose circuits are ablated here, without tasks.split.
_SAME_ITEMS = (
    " Circuits are tested on the items that they were found on, which flatters a task's own circuit: if it costs more than "
    "random units, that is no finding, and has no p (tasks.split: half tests on other items)."
)


def function_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """What silencing circuits breaks, and whether overlap predicts it."""
    component = findings.component
    if not sources.inventory.drops:
        text = "No model of this study has ablations."
        if sources.study.run_models:
            text += " Forecasts from attributions are in results/NAME/ablation."
        return Section(f"What breaks when a circuit is silenced?{suffix}", [text])
    drawn = sources.shown if sources.inventory.average_drops else sources.inventory.drops[0].model
    printed = [
        *modularity_table(findings.tables["modularity"], findings.drop_sel),
        *domain_table(findings.tables["domain_modularity"], findings.drop_sel),
    ]
    figures = sources.figures("function", drawn, component)
    own = [
        picture
        for name in sources.study.measured_models
        for picture in sources.figures("lesions", name, component)
    ]
    # Of many models, what is each one's own is opened on demand.
    folded = len(sources.study.measured_models) > UNFOLDED
    return Section(
        f"What breaks when a circuit is silenced?{suffix}",
        [lead(sources.study)],
        [
            *own_sentences(sources, component),
            *story.ablation_sentences(findings),
            *story.function_sentences(
                findings, _cells(sources, component), sources.study.ablation.max_items
            ),
        ],
        figures if folded else [*figures, *own],
        printed_tables(printed, "ablation", component),
        [Group("Random lesions and forecasts of every model", figures=own)] if folded else [],
    )


def lead(study: Study) -> str:
    """What the section is about, and, where own circuits are tested, on which items."""
    text = "Overlap is structure. Silencing each circuit while the model does every task shows function."
    return text + (_SAME_ITEMS if study.measured_models and not study.tasks.split else "")


def own_sentences(sources: Sources, component: str) -> Iterator[str]:
    """Own circuit against random units, of every model whose circuits were ablated here."""
    for name in sources.study.measured_models:
        tables = sources.lesions(name, component)
        table = own_against_random(tables)
        split = sources.study.tasks.split
        yield from story.own_sentences(table, sources.called(name), split=split)


def _cells(sources: Sources, component: str) -> dict[str, story.Cells]:
    names = [one.model for one in sources.inventory.all_drops if one.component == component]
    return {name: story.Cells.of(sources.drops(name, component)) for name in dict.fromkeys(names)}
