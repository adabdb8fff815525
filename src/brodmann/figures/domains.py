"""Within a domain and across, for lesions by direction: bars with intervals over resampled tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from brodmann.figures import hover, style
from brodmann.figures.panels import domain_axis, grid, head, legend_below, per_cent
from brodmann.figures.registry import Asked, Files, called
from brodmann.figures.tables import at_size, long_table
from brodmann.statistics.inventory import AVERAGE

# Kinds of pairs; overlap has no direction, and of it there are only the first two.
NAMES = {
    "within": "two tasks of the domain",
    "across": "one task of the domain, one of another",
    "to_others": "its circuits, other tasks",
    "from_others": "other circuits, its tasks",
}
# How strong the colour is: in grey, too, the three are told apart. Hatches are domains' elsewhere.
STRENGTHS = {"within": 1.0, "across": 0.3, "to_others": 0.4, "from_others": 0.0}
PANEL_HEIGHT = 1.6  # inches


def of_study(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """The average (or the only model) and each control, of overlap or of ablations (``drop``)."""
    drop = asked["drop"]
    table = at_size(long_table(files, asked, "domain_modularity"), asked, drop=drop)
    controls = asked["matrices"]["controls"]
    labels = {name: called(name, controls) for name in controls}
    panels, data = _panels(table, labels, drop)
    ylabel = "accuracy lost (%)" if drop else "units in common (%)"
    return draw_domains(panels, ylabel=ylabel, title=""), data


def _panels(
    table: pd.DataFrame, labels: Mapping[str, str], drop: bool
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """The average (or the only model) and each control: bars per domain; and all of it as one table."""
    names = dict.fromkeys(table["model"])
    own = [name for name in names if name != AVERAGE and name not in labels]
    shown = [*([AVERAGE] if AVERAGE in names else own), *(name for name in names if name in labels)]
    rows = []
    for _, row in table[table["model"].isin(shown)].iterrows():
        ways = (("out", "to_others"), ("into", "from_others")) if drop else (("cross", "across"),)
        for column, pair in (("within", "within"), *ways):
            values = row[column], row[f"{column}_sem"], row[f"n_{column}"]
            ends = row[f"{column}_low"], row[f"{column}_high"]
            rows.append((row["model"], row["domain"], pair, *values, *ends))
    columns = ["model", "domain", "pairs", "mean", "sem", "n", "low", "high"]
    data = pd.DataFrame(rows, columns=columns)
    # An average of one model is that model.
    average = f"average of {len(own)} models" if len(own) > 1 else [*own, AVERAGE][0]
    titles = {AVERAGE: average, **labels}
    panels = {}
    for name in shown:
        rows = data[data["model"] == name].drop(columns="model").reset_index(drop=True)
        panels[titles.get(name, name)] = rows
    return panels, data


def draw_domains(panels: Mapping[str, pd.DataFrame], *, ylabel: str, title: str) -> Figure:
    """One panel per entry, in it the bars of every domain, n printed at each bar; shares, in per cent.

    Columns: domain, pairs (a key of ``NAMES``; a kind that no table has is left out), mean, low, high (of its
    interval; NaN: none), n. A bar without a mean is a dash.
    """
    domains = style.ordered_domains(name for table in panels.values() for name in table["domain"])
    if not domains:
        return style.empty_figure(title)
    present = {kind for table in panels.values() for kind in table["pairs"]}
    kinds = [kind for kind in NAMES if kind in present]
    figure, places = grid(len(panels), per_row=1, height=PANEL_HEIGHT, sharey=True)
    for axes, (name, table) in zip(places, panels.items(), strict=True):
        head(axes, name)
        if not np.isfinite(table["mean"].to_numpy(dtype=float)).any():
            style.state_empty(axes)
            continue
        _bars(axes, table, domains, kinds)
        axes.set_ylabel(ylabel)
        per_cent(axes.yaxis)
    style.add_title(figure, title)
    handles = [Patch(**_look("#555555", kind), label=NAMES[kind]) for kind in kinds]
    legend_below(figure, handles, 1 if "across" in kinds else 2, handlelength=1.6)
    return figure


def _bars(axes: Axes, table: pd.DataFrame, domains: Sequence[str], kinds: Sequence[str]) -> None:
    cells = table.set_index(["domain", "pairs"])
    width = 0.8 / len(kinds)
    axes.axhline(0, color="black", linewidth=0.6)
    for place, domain in enumerate(domains):
        for number, kind in enumerate(kinds):
            if (domain, kind) not in cells.index:
                continue
            cell = cells.loc[(domain, kind)]
            x = place + (number - (len(kinds) - 1) / 2) * width
            mean, low, high = (float(cell[name]) for name in ("mean", "low", "high"))
            if not np.isfinite(mean):
                axes.text(x, 0, "–", ha="center", va="bottom")
                continue
            [bar] = axes.bar(x, mean, width * 0.94, **_look(style.domain_colour(domain), kind))
            known = np.isfinite([low, high]).all()
            between = f" [{100 * low:.1f}, {100 * high:.1f}]" if known else ""
            named = f"{style.domain_label(domain)}, {NAMES[kind]}"
            hover.shape(bar, f"{named}: {100 * mean:.1f} %{between}, {int(cell['n'])} pairs")
            if known:
                ends = {"color": "black", "lw": 0.7, "marker": "_", "ms": 3, "mew": 0.7}
                axes.plot([x, x], [low, high], **ends)
            up = mean >= 0
            look = {"ha": "center", "va": "bottom" if up else "top", "color": "#444444"}
            aside = {"xytext": (0, 2 if up else -2), "textcoords": "offset points"}
            outermost = np.nanmax([mean, high]) if up else np.nanmin([mean, low])
            axes.annotate(f"{int(cell['n'])}", (x, outermost), **look, **aside)
    domain_axis(axes, domains)
    axes.margins(y=0.12)


def _look(colour: str, kind: str) -> dict[str, object]:
    """Paler the further from the domain."""
    return {"facecolor": _fade(colour, STRENGTHS[kind]), "edgecolor": colour, "linewidth": 0.6}


def _fade(colour: str, alpha: float) -> tuple[float, float, float]:
    """The colour on white at this opacity, opaque."""
    rgb = np.array(plt.matplotlib.colors.to_rgb(colour))
    return tuple(alpha * rgb + 1 - alpha)
