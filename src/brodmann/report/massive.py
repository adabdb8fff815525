"""The report's words on massive activations left out of localizers, and on controls that are as active."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from brodmann.config.massive import KEEP, MASSIVE
from brodmann.localizers import localizer_name
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.localizers.stages.lesion import MASSIVE_RANDOM, WITH_MASSIVE
from brodmann.models.card import ModelCard
from brodmann.networks.conditions import RANDOM
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.report.page import Cell, Group, Table
from brodmann.report.sources import Sources
from brodmann.report.wording import big, draws_text, massive_text
from brodmann.runner.experiment import ACTIVATION_MATCHED
from brodmann.statistics.printed import show_p
from brodmann.store.tables import read_table

if TYPE_CHECKING:
    from brodmann.report.localizers import Localized


def massive_groups(sources: Sources, every: Sequence[Localized]) -> Iterator[Group]:
    """Lesions with and without massive activations; lesions beside units that are as active."""
    settings = sources.study.localizer
    perplexities = [(one, _perplexities(sources, one)) for one in every]
    if settings.massive != KEEP:
        draws = f" ({len(settings.lesion.seeds)} draws)" if settings.lesion.seeds else ""
        yield Group(
            "With and without massive activations",
            sources.say("localizers.massive", settings.apart),
            figures=sources.figures("massive", draws=draws),
            tables=[_with_and_without(sources, perplexities)],
        )
    if settings.lesion.activation_matched_seeds:
        yield Group(
            "Beside random units that are as active",
            sources.say("localizers.matched"),
            tables=[_matched(sources, perplexities)],
        )


def of_networks(sources: Sources, model: str) -> list[str]:
    """What is said of massive activations that are left out of a model's signals, and of their loss."""
    settings = sources.study.networks
    if settings.massive == KEEP:
        return []
    card = ModelCard.read(sources.results / model / "model.json")
    number = len(card.left_out(settings.site, settings.massive))
    table = read_table(sources.results / model / "networks" / "editing.csv", EDITING)
    inhibited = table[(table["how"] == "inhibit") & (table["metric"] == "perplexity")]
    own = inhibited[inhibited["condition"] == MASSIVE].to_dict("records")
    controls = inhibited[inhibited["condition"] == RANDOM]
    drawn = controls[controls["control_of"] == MASSIVE]["value"]
    return sources.say("networks.massive", sources.called(model), number, own, drawn)


_Rows = tuple["Localized", pd.DataFrame]


def _perplexities(sources: Sources, one: Localized) -> pd.DataFrame:
    path = sources.results / one.name / "localizer" / one.network / "lesion.csv"
    table = read_table(path, LESIONS)
    return table[table["measure"] == "perplexity"]


def _with_and_without(sources: Sources, every: Sequence[_Rows]) -> Table:
    rows: list[list[Cell]] = []
    for one, table in every:
        alone = table[table["condition"] == MASSIVE]
        # One of each size and kind, in the order of the lesions.
        with_them = table[table["condition"] == WITH_MASSIVE].to_dict("records")
        for lesion, beside in zip(one.lesions, with_them, strict=True):
            kind = lesion.corpus["kind"]
            own = alone[alone["kind"] == kind]
            rows.append(
                [
                    *_named(sources, one),
                    f"{int(lesion.corpus['k']):,}",
                    massive_text(one.holds(str(beside["selection"]))),
                    big(lesion.intact["perplexity", ""]),
                    big(beside["value"]),
                    big(lesion.corpus["value"]),
                    draws_text(lesion.random) if len(lesion.random) else "–",
                    _alone(own, table, kind),
                    show_p(lesion.corpus["p_random"]),
                    show_p(lesion.corpus["q_random"]),
                ]
            )
    heads = ("model", "localizer", "units", "massive activations among them", "intact")
    heads += (
        "with these",
        "without",
        "without random units",
        "massive activations alone",
        "p",
        "q",
    )
    caption = (
        "Perplexity per token when units are silenced, massive activations among them or not. "
        "p: of the lesion without them against random units."
    )
    return Table(caption, heads, rows, frozenset({0, 1, 3, 8}))


def _alone(own: pd.DataFrame, table: pd.DataFrame, kind: str) -> str:
    """The perplexity without the massive activations by themselves, and without as many random units."""
    if own.empty:
        return "–"
    row: dict[str, Any] = own.iloc[0].to_dict()
    drawn = table[(table["condition"] == MASSIVE_RANDOM) & (table["kind"] == kind)]["value"]
    beside = f"; random units {draws_text(drawn)}" if len(drawn) else ""
    return f"{big(row['value'])} ({int(row['k'])} units{beside})"


def _matched(sources: Sources, every: Sequence[_Rows]) -> Table:
    rows: list[list[Cell]] = []
    for one, table in every:
        for lesion in one.lesions:
            row = lesion.corpus
            same = (table["kind"] == row["kind"]) & (table["selection"] == row["selection"])
            drawn = table[same & (table["condition"] == ACTIVATION_MATCHED)]
            random = table[same & (table["condition"] == "random")]
            ratios = [
                f"{own['activation'].mean() / row['activation']:.2f}" if len(own) else "–"
                for own in (drawn, random)
            ]
            rows.append(
                [
                    *_named(sources, one),
                    f"{int(row['k']):,}",
                    big(lesion.intact["perplexity", ""]),
                    big(row["value"]),
                    draws_text(lesion.random) if len(lesion.random) else "–",
                    draws_text(drawn["value"]),
                    *ratios,
                    show_p(row["p_matched"]),
                    show_p(row["q_matched"]),
                ]
            )
    heads = ("model", "localizer", "units", "intact", "without the units", "without random units")
    heads += ("without units as active", "their activity", "random units' activity", "p", "q")
    caption = (
        "Perplexity per token when units are silenced, beside random units of the same layers that are "
        "about as active. Activity: mean absolute activation over that of the localizer's units. "
        "p: against these."
    )
    return Table(caption, heads, rows)


def _named(sources: Sources, one: Localized) -> list[Cell]:
    path = f"{one.name}/localizer/{one.network}/lesion.csv"
    return [one.shown, sources.link(path, localizer_name(one.network))]
