"""Figures of faithfulness: the tables that they show, on numbers that are known."""

import numpy as np
import pandas as pd
import pytest

from brodmann.figures.faithfulness import curves, draw_areas, draw_curves, matrix
from brodmann.figures.style import plt

LINES = [
    ("language/a", "own", 0, "positive"),
    ("language/a", "language/b", 0, "positive"),
    ("language/a", "formal/c", 0, "positive"),
    ("language/a", "random", 1, np.nan),
    ("language/a", "random", 2, np.nan),
    ("language/b", "own", 0, "positive"),
    ("formal/c", "own", 0, "positive"),
    ("formal/c", "own", 0, "absolute"),
]


def lines():
    table = pd.DataFrame(LINES, columns=["task", "order", "trial", "sign"])
    return table.assign(kind="corrupted", cpr=np.arange(len(LINES)) / 10)


def test_curves_are_means_over_draws_and_other_tasks():
    points = pd.concat(
        lines().assign(fraction=percent, faithfulness=percent / 100 + np.arange(len(LINES)) / 10)
        for percent in (0.0, 50.0, 100.0)
    )
    found = curves(points, "positive", "corrupted")
    random = found[(found["group"] == "random") & (found["percent"] == 50)]
    assert random["faithfulness"].tolist() == pytest.approx([0.5 + 0.35])
    assert set(found["group"]) == {"own", "same_domain", "other_domains", "random"}
    assert len(found[found["task"] == "formal/c"]) == 3  # the other sign is left out
    assert found.loc[found["task"] == "formal/c", "domain"].unique() == ["formal"]
    figure = draw_curves(found, title="t")
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    # Two domains; a pale and a mean line of own orders, and the others.
    assert len(drawn) == 2 and len(drawn[0].lines) == 2 + 2 + 4
    plt.close(figure)
    plt.close(draw_curves(found.iloc[:0], title="t"))


def test_areas_stand_by_whose_order_and_which_task():
    found = matrix(lines(), "positive", "corrupted")
    assert list(found.index) == ["language/a", "language/b", "formal/c"]
    assert np.diag(found) == pytest.approx([0, 0.5, 0.6])
    assert found.loc["formal/c", "language/a"] == pytest.approx(0.2)
    assert np.isnan(found.loc["language/a", "formal/c"])
    for table in (found, found * 3 - 1, found.iloc[:1, :1], found * np.nan):
        plt.close(draw_areas(table, title="t"))
