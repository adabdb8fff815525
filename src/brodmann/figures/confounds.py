"""Forest plot: does the domain still matter once the surface of the tasks is accounted for?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brodmann.figures import hover
from brodmann.figures.panels import distinct, dot, grid, head, legend_below, per_cent
from brodmann.figures.registry import Asked, Files, called
from brodmann.figures.style import LARGEST, LINE, NEUTRAL, add_title, empty_figure, state
from brodmann.figures.tables import at_size, long_table

PREDICTORS = {"domain": "domain alone", "domain_and_surface": "beside surface similarity"}
OUTCOMES = {"overlap": "overlap", "drop": "accuracy lost"}
COLOUR = "#1F3A5F"
# Rows' distance from the model's line.
OFFSETS = {"domain": -0.17, "domain_and_surface": 0.17}
ROW_HEIGHT = 0.34  # inches


def of_study(files: Files, asked: Asked) -> tuple[Figure, pd.DataFrame]:
    """The same-domain coefficient, alone and beside surface similarity, for overlap and drop."""
    table, parts = long_table(files, asked, "confounds"), []
    for drop, outcome in ((False, "overlap"), (True, "drop")):
        rows = at_size(table, asked, drop=drop)
        rows = rows[(rows["term"] == "same_domain") & (rows["predictors"] != "within_formats")]
        parts.append(rows.assign(outcome=outcome))
    columns = ["model", "control", "outcome", "predictors", "coefficient", "low", "high", "p"]
    effects = pd.concat(parts, ignore_index=True)[columns]
    return draw_confounds(effects, title=""), effects


def draw_confounds(table: pd.DataFrame, *, title: str) -> Figure:
    """The same-domain coefficient and its interval: a panel per outcome, a line per model.

    Columns: model, control (bool), outcome (overlap | drop), predictors (domain | domain_and_surface),
    coefficient, low, high, p. Filled markers: the domain alone; open ones: beside surface similarity; grey:
    control models. p stands at the right of each panel where there is room.
    """
    if not np.isfinite(table["coefficient"].to_numpy(dtype=float)).any():
        return empty_figure(title, "no domain has two tasks to compare")
    models = distinct(table.sort_values("control", kind="stable")["model"])
    outcomes = [name for name in OUTCOMES if name in set(table["outcome"])]
    outcomes += sorted(set(table["outcome"]) - set(outcomes))
    height = min((LARGEST - 0.3) / len(outcomes), 0.55 + ROW_HEIGHT * len(models))
    # Two values of p stand beside each model, if there is room.
    printed = 0.34 * (height - 0.55) / len(models) > 0.9 * LINE
    figure, panels = grid(len(outcomes), per_row=1, height=height, around=0.3, sharex=True)
    controls = set(table.loc[table["control"].astype(bool), "model"])
    names = [called(model, controls) for model in models]
    for axes, outcome in zip(panels, outcomes, strict=True):
        head(axes, OUTCOMES.get(outcome, outcome))
        _panel(axes, table[table["outcome"] == outcome], models, printed=printed)
        axes.set_yticks(range(len(models)), names)
        axes.set_ylim(len(models) - 0.5, -0.5)
    panels[-1].set_xlabel("coefficient of same domain (percentage points)")
    per_cent(panels[-1].xaxis)
    add_title(figure, title)
    legend_below(figure, [_handle(name) for name in PREDICTORS], 2)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, models: list[str], *, printed: bool) -> None:
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if not np.isfinite(table["coefficient"].to_numpy(dtype=float)).any():
        state(axes)
        return
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.axvline(0, color="black", linewidth=0.7, zorder=1)
    for row in range(0, len(models), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", linewidth=0, zorder=0)
    right = axes.get_yaxis_transform()
    for line in table.itertuples(index=False):
        y = models.index(line.model) + OFFSETS.get(line.predictors, 0.0)
        if np.isfinite(line.coefficient):
            _whisker(axes, line, y)
            text = p_text(line.p)
        else:
            text = "not estimated"
        if printed:
            axes.text(1.02, y, text, transform=right, va="center")
    for y, model in enumerate(models):
        if model not in set(table["model"]):
            axes.text(
                0.5, y, "not measured", transform=right, ha="center", va="center", color="#777777"
            )
    if printed:
        axes.text(1.02, 1.01, "p", transform=axes.transAxes, va="bottom", style="italic")


def _whisker(axes: Axes, line: object, y: float) -> None:
    colour = NEUTRAL if line.control else COLOUR
    if np.isfinite([line.low, line.high]).all():
        axes.plot([line.low, line.high], [y, y], color=colour, linewidth=1.0, zorder=2)
    face = "white" if line.predictors == "domain_and_surface" else colour
    ends = f"[{100 * line.low:.1f}, {100 * line.high:.1f}]"
    what = f"{line.model}, {PREDICTORS.get(line.predictors, line.predictors)}"
    hover.point(
        axes,
        line.coefficient,
        y,
        f"{what}: {100 * line.coefficient:.1f} points {ends}, p: {p_text(line.p)}",
    )
    axes.plot(
        line.coefficient, y, "o", ms=4, mec=colour, mfc=face, mew=0.9, zorder=3, clip_on=False
    )


def p_text(p: float) -> str:
    """``0.034``, ``< 0.001``, ``–`` for NaN."""
    if not np.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _handle(predictors: str) -> Line2D:
    face = "white" if predictors == "domain_and_surface" else COLOUR
    return dot(PREDICTORS[predictors], COLOUR, ls="-", mfc=face, mew=0.9, lw=1)
