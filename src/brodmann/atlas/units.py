"""What a model's folder says of single units and networks beyond the maps: tokens, texts, effects, labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from brodmann.atlas.contract import Network
from brodmann.atlas.views_data import COLUMNS, rows_of
from brodmann.comparison.unit_pages import pages_file, read_pages, read_silenced, silenced_file
from brodmann.networks.driving import labels
from brodmann.store.tables import read_table

# Files of rows that some studies have: logical name -> where, and columns that they have.
_TABLES = {
    "granularity": ("granularity", "*.csv", ("level", "percent")),
    "rivals": ("faithfulness", "*.rivals.csv", ("task",)),
}


def of_units(results: Path, model: str) -> Iterator[tuple[str, Any]]:
    """(logical name, content) of what a model has of single units."""
    if (path := pages_file(results, model)).is_file():
        pages = read_pages(path)
        yield "units", {"units": pages.units, "networks": pages.networks, "notes": pages.notes}
    if (path := silenced_file(results, model)).is_file() and (rows := read_silenced(path)):
        yield "silenced", rows


def more_tables(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical name, table -> its rows) of what only some studies have."""
    for logical, (place, files, columns) in _TABLES.items():
        ending = files.removeprefix("*")
        found = {
            path.name.removesuffix(ending): rows_of(read_table(path, columns))
            for path in sorted((folder / place).glob(files))
        }
        if found:
            yield logical, found


def described(folder: Path, dataset: str, names: list[str], sizes: list[int]) -> list[Network]:
    """The networks of a dataset, with what they respond to and what inhibiting each costs.

    ``folder``: of the model; ``names`` and ``sizes``: of the networks, in their order.
    """
    own = folder / "networks" / dataset
    said = labels(own) if (own / "driving.csv").is_file() else {}
    path = folder / "networks" / "editing.csv"
    edits = read_table(path, COLUMNS["editing"]) if path.is_file() else pd.DataFrame()
    found = []
    for name, size in zip(names, sizes, strict=True):
        harm, control = _harm(edits, dataset, name)
        found.append(Network(name, size, said.get(name, "–"), harm, control))
    return found


def _harm(edits: pd.DataFrame, dataset: str, name: str) -> tuple[float | None, float | None]:
    """Perplexity without the network, and without random units (mean of the draws), times the intact one."""
    if edits.empty:
        return None, None
    own = edits[(edits["metric"] == "perplexity") & (edits["how"] == "inhibit")]
    own = own[(own["dataset"] == dataset) & own["value"].notna()]
    without = own[own["condition"] == name]
    random = own[(own["condition"] == "random") & (own["control_of"] == name)]
    ratios = [(rows["value"] / rows["intact"]).mean() for rows in (without, random)]
    harm, control = (None if ratio != ratio else float(ratio) for ratio in ratios)
    return harm, control
