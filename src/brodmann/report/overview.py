"""The report's first section: which models, which tasks, and whether the models can do them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from brodmann.models.card import ModelCard
from brodmann.report.page import Section, Table
from brodmann.report.sources import Sources
from brodmann.store.tables import read_table

_ACCURACY = ("model", "task", "included", "reason")


def overview_section(sources: Sources) -> Section:
    """The models, and how many tasks of each are included."""
    study, say = sources.study, sources.say
    table = read_table(sources.results / "figures" / "accuracy_heatmap.csv", _ACCURACY)
    table = table[table["task"].isin(study.tasks.selected)]
    rules = {name: study.models[name].inclusion for name in study.run_models}
    included = [
        (sources.called(name), table[table["model"] == name], rule.filter == "aligned")
        for name, rule in rules.items()
    ]
    heads = ("model", "source", "parameters", "layers", "neurons per layer", "weights")
    rows = [_model_row(sources, name) for name in study.models]
    return Section(
        "Models and tasks",
        say("overview.lead"),
        say("overview.included", included),
        sources.figures("overview", rule=" ".join(say("overview.inclusion", study, rules))),
        [Table("Models of the study", heads, rows, frozenset({0, 1}))],
    )


def _model_row(sources: Sources, name: str) -> list[str]:
    entry = sources.study.models[name]
    shown = f"{name} (control)" if entry.control else name
    if entry.results_only:
        return [shown, f"results only: {Path(entry.location).name}", "–", "–", "–", "–"]
    card = asdict(ModelCard.read(sources.results / name / "model.json"))
    return [
        shown,
        card["source"] + (", untrained" if card["untrained"] else ""),
        f"{card['n_parameters'] / 1e6:,.0f} M",
        str(card["n_layers"]),
        str(card["neurons_per_layer"] or "–"),
        card["weights_hash"][:12],
    ]
