"""Lesions with and without massive activations, beside each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brodmann.config.massive import MASSIVE
from brodmann.figures import hover, style
from brodmann.figures.panels import distinct, grid, head, legend_below, size_axis, wide_scale
from brodmann.figures.registry import Asked, Files, called
from brodmann.localizers import localizer_name
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.localizers.stages.lesion import WITH_MASSIVE
from brodmann.store.tables import read_table

_LOOKS = {
    WITH_MASSIVE: ("with massive activations", {"color": "#C0392B", "marker": "s"}),
    "lesion": ("without them", {"color": "#2471A3", "marker": "o"}),
    MASSIVE: ("massive activations alone", {"color": "black", "marker": "*", "ls": ""}),
    "random": ("random units", {"color": "#7F7F7F", "marker": "o", "mfc": "white", "ls": ""}),
}


def of_lesions(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """Perplexity against the number of silenced units, in each of these conditions."""
    columns = [
        "label",
        "network",
        "condition",
        "selection",
        "k",
        "seed",
        "n",
        "value",
        "low",
        "high",
    ]
    parts = [
        table_of(read_table(path, LESIONS)).assign(
            label=called(model, asked["controls"]), network=network
        )
        for (model, network), path in zip(asked["pairs"], files["lesions"], strict=True)
    ]
    table = pd.concat(parts, ignore_index=True)[columns]
    return draw_lesions(table, title="Lesions with and without massive activations"), table


def table_of(lesions: pd.DataFrame) -> pd.DataFrame:
    """The perplexities that are shown of a lesion.csv; of several kinds of lesion the first is taken."""
    kinds = lesions["kind"].dropna()
    shown = lesions["condition"].isin(["intact", *_LOOKS]) & (lesions["measure"] == "perplexity")
    first = lesions["kind"].isna() | (lesions["kind"] == (kinds.iloc[0] if len(kinds) else ""))
    return lesions[shown & first]


def draw_lesions(table: pd.DataFrame, *, title: str) -> Figure:
    """A panel per model and localizer; columns as ``of_lesions`` gives them."""
    panels = distinct(zip(table["label"], table["network"], strict=True))
    figure, places = grid(len(panels), per_row=2, height=1.8, around=0.8)
    legend = {}
    for axes, (label, network) in zip(places, panels, strict=True):
        head(axes, f"{label}:\n{localizer_name(network)}")
        _panel(axes, table[(table["label"] == label) & (table["network"] == network)])
        legend |= {one.get_label(): one for one in axes.get_legend_handles_labels()[0]}
    for axes in places[::2]:
        axes.set_ylabel("perplexity")
    legend_below(figure, list(legend.values()), 2)
    style.add_title(figure, title)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    for value in table.loc[table["condition"] == "intact", "value"][:1]:
        axes.axhline(value, color="black", linewidth=0.8, linestyle=":", label="intact")
    for condition, (name, look) in _LOOKS.items():
        own = table[table["condition"] == condition].dropna(subset=["value"]).sort_values("k")
        if own.empty:
            continue
        k, value = own["k"].to_numpy(dtype=float), own["value"].to_numpy(dtype=float)
        axes.plot(k, value, **{"ms": 4, "lw": 1.2, "label": name, **look})
        if condition != "random":
            low, high = (own[end].to_numpy(dtype=float) for end in ("low", "high"))
            axes.fill_between(k, low, high, color=look["color"], alpha=0.15, linewidth=0)
        texts = [f"{name}, {int(n)} units: {ppl:.4g}" for n, ppl in zip(k, value, strict=True)]
        hover.points(axes, k, value, texts)
    sizes = table.loc[table["condition"] != "intact", "k"]
    size_axis(axes, sorted(set(sizes)))
    axes.tick_params(axis="x", labelrotation=50)
    axes.margins(x=0.12)
    axes.set_xlabel("silenced units")
    values = table["value"].to_numpy(dtype=float)
    wide_scale(axes.yaxis, values[np.isfinite(values)])
