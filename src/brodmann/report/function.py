"""The report's section on function: what breaks when a circuit is silenced."""

from __future__ import annotations

from collections.abc import Iterator

from brodmann.circuits.against_controls import own_against_random
from brodmann.report.page import Group, Picture, Section
from brodmann.report.sources import Sources, nothing, printed_tables
from brodmann.report.story import function as story
from brodmann.report.story.findings import Findings
from brodmann.statistics.printed import domain_table, modularity_table

# Figures of more models than that are folded.
UNFOLDED = 4
# Of a study without tasks.split.
_SAME_ITEMS = (
    " Circuits are tested on the items that they were found on, which flatters a task's own circuit: if it costs more than "
    "random units, that is no finding, and has no p (tasks.split: half tests on other items)."
)


def function_section(sources: Sources, findings: Findings, suffix: str) -> Section:
    """What silencing circuits breaks, and whether overlap predicts it."""
    component, shown = findings.component, sources.shown
    ablation = sources.study.ablation
    what = f"{findings.kind} ablation, {findings.drop_sel}"
    items = (
        "all used items"
        if ablation.max_items is None
        else f"the first {ablation.max_items} used items"
    )
    if not sources.inventory.drops:
        text = "No model of this study has ablations."
        if sources.study.run_models:
            text += " Forecasts from attributions are in results/NAME/ablation."
        return Section(f"What breaks when a circuit is silenced?{suffix}", [text])
    drawn = shown if sources.inventory.average_drops else sources.inventory.drops[0].model
    figures = [
        *sources.figure(
            f"ablation.{drawn}.{component}",
            "Accuracy lost",
            f"{drawn}: rows the silenced circuit, columns the task ({what}; {items} of a task that was run here).",
        ),
        *sources.figure(
            f"domains_ablation.{component}",
            "Accuracy lost within each domain, and to and from the others",
            f"Mean over cells, bars: standard error, n: cells. Tests: {sources.tested}.",
        ),
        *sources.figure(
            f"structure_function.{component}",
            "Does overlap predict ablation?",
            "Ordered pairs of tasks: overlap of the two circuits against the accuracy that silencing one costs the other; "
            "larger marks stand for more pairs, marks side by side for the same overlap; the line is the least-squares fit.",
        ),
        *(sources.figure if len(sources.compared) > 1 else nothing)(
            f"consistency_ablation.{component}",
            "Agreement between models on what breaks",
            f"Kendall's tau over all ordered pairs of the tasks that {sources.common_tasks}; controls are left out.",
        ),
    ]
    printed = [
        *modularity_table(findings.tables["modularity"], findings.drop_sel),
        *domain_table(findings.tables["domain_modularity"], findings.drop_sel),
    ]
    own: list[Picture] = []
    for name in sources.study.measured_models:
        own += sources.figure(
            f"controls.{name}.{component}",
            f"Circuits against random lesions, {name}",
            f"Accuracy lost, by domain of the task that is tested ({what}; {items}). Layer-matched: as many random units in "
            f"every layer ({_draws(ablation.layer_matched_trials)}); random: of any layer ({_draws(ablation.random_trials)}), "
            f"seed {ablation.seed}.",
        )
        own += sources.figure(
            f"forecast.{name}.{component}",
            f"Forecast against measured, {name}",
            "The sum of a task's attributions over the silenced units forecasts, at first order, what the metric loses.",
        )
    # Of many models, what is each one's own is opened on demand.
    folded = len(sources.study.measured_models) > UNFOLDED
    return Section(
        f"What breaks when a circuit is silenced?{suffix}",
        [
            "Overlap is structure. Silencing each circuit while the model does every task shows function."
            + ("" if sources.study.tasks.split else _SAME_ITEMS)
        ],
        [
            *own_sentences(sources, component),
            *story.ablation_sentences(findings),
            *story.function_sentences(findings, _cells(sources, component), ablation.max_items),
        ],
        figures if folded else [*figures, *own],
        printed_tables(printed, "ablation", component),
        [Group("Random lesions and forecasts of every model", figures=own)] if folded else [],
    )


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


def _draws(number: int) -> str:
    return "1 draw" if number == 1 else f"{number} draws"
