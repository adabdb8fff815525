"""Figures of what networks do: edits, connectivity, agreement with circuits and localized units."""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.comparison.stages.maps import SHARE_COLUMNS as SHARES
from brodmann.figures.jobs.studies import save
from brodmann.figures.network_agreement import draw_map_agreement
from brodmann.figures.network_use import (
    draw_connectivity,
    draw_connectivity_between,
    draw_editing,
)
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.networks.stages.following import ACROSS_COLUMNS as ACROSS
from brodmann.networks.stages.following import CONNECTIVITY_COLUMNS as CONNECTIVITY
from brodmann.store.tables import read_table


def network_figures(
    model: str,
    *,
    editing: str,
    connectivity: str,
    agreement: str,
    layers: str,
    stems: Mapping[str, str],
) -> None:
    """Rule ``network_figures``."""
    edits = read_table(editing, EDITING)
    edits = edits[edits["metric"] == "word_perplexity"].reset_index(drop=True)
    save(draw_editing(edits, title=f"{model}: networks edited"), stems["editing"], edits)
    courses = read_table(connectivity, CONNECTIVITY)
    title = f"{model}: networks that go together"
    save(draw_connectivity(courses, title=title), stems["connectivity"], courses)
    table = read_table(agreement, AGREEMENT)
    title = f"{model}: circuits, localized units and networks"
    figure = draw_map_agreement(table, read_table(layers, SHARES), title=title)
    save(figure, stems["agreement"], table)


def networks_across(table: str, stem: str) -> None:
    """Rule ``networks_across``."""
    between = read_table(table, ACROSS)
    title = "Networks of different models that go together"
    save(draw_connectivity_between(between, title=title), stem, between)
