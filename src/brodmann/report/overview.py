"""The report's first section: which models, which tasks, and whether the models can do them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from brodmann.models.card import ModelCard
from brodmann.report.page import Group, Section, Table
from brodmann.report.pairs import minimal_pairs
from brodmann.report.preregistration import registered
from brodmann.report.sources import Sources
from brodmann.store.tables import read_table

_ACCURACY = ("model", "task", "both_correct_accuracy", "included", "reason")


def overview_section(sources: Sources) -> Section:
    """The models, how many tasks of each are included, and what a task looks like."""
    study, say = sources.study, sources.say
    table = read_table(sources.results / "figures" / "accuracy_heatmap.csv", _ACCURACY)
    table = table[table["task"].isin(study.tasks.selected)]
    rules = {name: study.models[name].inclusion for name in study.run_models}
    included = {name: table[table["model"] == name] for name in study.run_models}
    heads = ("model", "source", "parameters", "layers", "neurons per layer", "weights", "included")
    rows = [_model_row(sources, name, included) for name in study.models]
    left = [
        [sources.called(name), sources.task(row["task"]), str(row["reason"])]
        for name, own in included.items()
        for row in own[~own["included"].astype(bool)].to_dict("records")
    ]
    caption = "Tasks that a model's circuits are not found on."
    out_heads = ("model", "task", "reason")
    out = Table(caption, out_heads, left, frozenset({0, 1, 2}))
    registration, plan = registered(sources)
    groups = [minimal_pairs(sources), Group("Tasks left out", tables=[out] if left else [])]
    groups += [plan] if plan is not None else []
    counts = [
        (
            *(sources.called(name), int(own["included"].sum()), len(own), study.lender(name)),
            float(own["both_correct_accuracy"].astype(float).mean()),
        )
        for name, own in included.items()
    ]
    return Section(
        "Models and tasks",
        [*say("overview.lead"), *say("overview.included", counts), *registration],
        sources.figures("overview", rule=" ".join(say("overview.inclusion", study, rules))),
        [Table("Models of the study.", heads, rows, frozenset({0, 1}), "provenance.json")],
        [group for group in groups if group],
    )


def _model_row(sources: Sources, name: str, included: Mapping[str, pd.DataFrame]) -> list[str]:
    entry = sources.study.models[name]
    shown = f"{name} (control)" if entry.control else name
    if entry.results_only:
        return [shown, f"results only: {Path(entry.location).name}", *["–"] * 5]
    card = asdict(ModelCard.read(sources.results / name / "model.json"))
    return [
        shown,
        card["source"] + (", untrained" if card["untrained"] else ""),
        f"{card['n_parameters'] / 1e6:,.0f} M",
        str(card["n_layers"]),
        str(card["neurons_per_layer"] or "–"),
        card["weights_hash"][:12],
        f"{int(included[name]['included'].sum())} of {len(included[name])}",
    ]
