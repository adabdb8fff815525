"""The report's first section: which models, which tasks, and whether the models can do them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.report.page import Section, Table
from brodmann.report.sources import Sources
from brodmann.store.tables import read_table

_ACCURACY = ("model", "task", "included", "reason")


def overview_section(sources: Sources) -> Section:
    """The models, and how many tasks of each are included."""
    study = sources.study
    rows = [_model_row(sources, name) for name in study.models]
    accuracy = read_table(sources.results / "figures" / "accuracy_heatmap.csv", _ACCURACY)
    lead = [
        "Can the models do the tasks at all? Only tasks that a model masters say something about how it does them."
    ]
    findings = []
    for name in study.run_models:
        own = accuracy[(accuracy["model"] == name) & accuracy["task"].isin(study.tasks.selected)]
        left_out = own[~own["included"]]
        findings.append(
            f"{sources.called(name)}: {int(own['included'].sum())} of {len(own)} "
            f"tasks are included"
            + (f"; left out: {_reasons(left_out)}" if len(left_out) else "")
            + _leniently(study, name)
            + "."
        )
    heads = ("model", "source", "parameters", "layers", "neurons per layer", "weights")
    return Section(
        "Models and tasks",
        lead,
        findings,
        sources.figures("overview", rule=_inclusion(study)),
        [Table("Models of the study", heads, rows, frozenset({0, 1}))],
    )


def _leniently(study: Study, name: str) -> str:
    aligned = study.models[name].inclusion.filter == "aligned"
    return " (all aligned items; no accuracy is required)" if aligned else ""


def _inclusion(study: Study) -> str:
    if not study.run_models:
        return "Accuracies are those of the results that were taken over."
    rules = {name: study.models[name].inclusion for name in study.run_models}
    aligned = [name for name, rule in rules.items() if rule.filter == "aligned"]
    items = "all" if study.tasks.items is None else str(study.tasks.items)
    text = f"Items per task: {items} (seed {study.tasks.seed})."
    for rule in [rule for rule in rules.values() if rule.filter == "both_correct"][:1]:
        text += (
            f" A task is included from {100 * rule.min_both_correct:g} % and {rule.min_items} both-correct items on, if its "
            "baselines differ."
        )
    if aligned:
        text += f" For {', '.join(aligned)}, all aligned items count, whatever the accuracy."
    return text


def _reasons(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row['task']} ({row['reason']})" for _, row in rows.iterrows())


def _model_row(sources: Sources, name: str) -> list[str]:
    entry = sources.study.models[name]
    shown = f"{name} (control)" if entry.control else name
    if entry.results_only:
        return [shown, f"results only: {Path(entry.location).name}", "–", "–", "–", "–"]
    card = asdict(ModelCard.read(sources.results / name / "model.json"))
    source = card["source"] + (", untrained" if card["untrained"] else "")
    return [
        shown,
        source,
        f"{card['n_parameters'] / 1e6:,.0f} M",
        str(card["n_layers"]),
        str(card["neurons_per_layer"] or "–"),
        card["weights_hash"][:12],
    ]
