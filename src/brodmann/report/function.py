"""The report's section on function: what breaks when a circuit is silenced."""

from __future__ import annotations

from brodmann.pipeline.printed import domain_table, modularity_table
from brodmann.report import story
from brodmann.report.page import Section
from brodmann.report.sources import Sources, nothing, printed_tables
from brodmann.report.story import Findings


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
            "A dot per ordered pair of tasks: overlap of the two circuits against the accuracy that silencing one costs the "
            "other. Mixed-effects regression with crossed random intercepts; Spearman with Mantel p.",
        ),
        *(sources.figure if len(sources.compared) > 1 else nothing)(
            f"consistency_ablation.{component}",
            "Agreement between models on what breaks",
            "Kendall's tau over all ordered pairs of the tasks that every model has; controls are left out.",
        ),
    ]
    printed = [
        *modularity_table(findings.tables["modularity"], findings.drop_sel),
        *domain_table(findings.tables["domain_modularity"], findings.drop_sel),
    ]
    for name in sources.study.measured_models:
        figures += sources.figure(
            f"controls.{name}.{component}",
            f"Circuits against random lesions, {name}",
            f"Accuracy lost, by domain of the task that is tested ({what}; {items}). Layer-matched: as many random units in "
            f"every layer ({_draws(ablation.layer_matched_trials)}); random: of any layer ({_draws(ablation.random_trials)}), "
            f"seed {ablation.seed}.",
        )
        figures += sources.figure(
            f"forecast.{name}.{component}",
            f"Forecast against measured, {name}",
            "The sum of a task's attributions over the silenced units forecasts, at first order, what the metric loses.",
        )
    return Section(
        f"What breaks when a circuit is silenced?{suffix}",
        [
            "Overlap is structure. Silencing each circuit while the model does every task shows function."
        ],
        [*story.ablation_sentences(findings), *story.function_sentences(findings)],
        figures,
        printed_tables(printed, "ablation", component),
    )


def _draws(number: int) -> str:
    return "1 draw" if number == 1 else f"{number} draws"
