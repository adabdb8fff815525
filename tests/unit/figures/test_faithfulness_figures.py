"""Figures of faithfulness: the tables that they show, on numbers that are known."""

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits.stages.faithfulness import AREAS, COLUMNS
from brodmann.circuits.stages.rivals import COLUMNS as RIVALS
from brodmann.figures.faithfulness import curves, draw_areas, draw_curves, matrix, of_curves
from brodmann.figures.rivals import KEPT, draw_rivals, rounds
from brodmann.figures.style import plt
from brodmann.store.tables import write_frame

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


def test_means_of_own_orders_beyond_the_axis_are_printed():
    rows = [("language/a", "own", 2.25), ("language/b", "own", 1.75), ("language/a", "random", 9.0)]
    table = pd.DataFrame(
        [
            (task, "language", group, percent, value if percent == 50 else percent / 100)
            for task, group, value in rows
            for percent in (0.0, 50.0, 100.0)
        ],
        columns=["task", "domain", "group", "percent", "faithfulness"],
    )
    figure = draw_curves(table, title="t")
    [beyond] = figure.axes[0].texts
    assert beyond.get_text() == "2.00" and beyond.xy == (1, 1.5)
    assert figure.axes[0].get_ylim()[1] == 1.5
    plt.close(figure)


def test_areas_stand_by_whose_order_and_which_task():
    found = matrix(lines(), "positive", "corrupted")
    assert list(found.index) == ["language/a", "language/b", "formal/c"]
    assert np.diag(found) == pytest.approx([0, 0.5, 0.6])
    assert found.loc["formal/c", "language/a"] == pytest.approx(0.2)
    assert np.isnan(found.loc["language/a", "formal/c"])
    for table in (found, found * 3 - 1, found.iloc[:1, :1], found * np.nan):
        plt.close(draw_areas(table, title="t"))


def test_tasks_without_a_contrast_have_no_curve(tmp_path):
    """Their metric is not divided: one of 7 log units would be drawn, and averaged, as 700 %."""
    points = pd.concat(
        lines().assign(fraction=percent, faithfulness=np.where(task == "language/b", 7.0, 0.5))
        for percent in (0.0, 100.0)
        for task in [lines()["task"].to_numpy()]
    )
    areas = lines().assign(cpr=np.where(lines()["task"] == "language/b", np.nan, 0.5))
    files = {"curves": tmp_path / "curves.csv", "areas": tmp_path / "areas.csv"}
    write_frame(files["curves"], points.reindex(columns=list(COLUMNS)))
    write_frame(files["areas"], areas.reindex(columns=list(AREAS)))
    asked = {"sign": "positive", "kind": "corrupted", "title": "t"}
    figure, table = of_curves(files, asked)
    assert set(table["task"]) == {"language/a", "formal/c"}
    assert table["faithfulness"].unique().tolist() == [0.5]
    plt.close(figure)
    write_frame(files["areas"], areas.assign(cpr=np.nan).reindex(columns=list(AREAS)))
    figure, table = of_curves(files, asked)
    assert table.empty
    plt.close(figure)


def rivals():
    """Two tasks, three rounds; the second task's last rival was not found."""
    kept = {"language/a": (0.9, 0.5, 0.1), "formal/c": (0.7, 0.1, np.nan)}
    rows = [
        {
            **{"task": task, "round": number, "n": 8, "control": 0.2, "without": 0.4 - number / 10},
            **{"faithfulness": value, "low": value - 0.1, "high": value + 0.2},
            **({"next_best": 0.25, "same_layers": 0.5 + number / 10} if number else {}),
        }
        for task, values in kept.items()
        for number, value in enumerate(values)
    ]
    return pd.DataFrame(rows).reindex(columns=list(RIVALS))


def test_rivals_round_by_round():
    found = rounds(rivals())
    means = found[found["task"] == ""].set_index(["measure", "round"])
    assert means["value"]["faithfulness"].tolist() == pytest.approx([0.8, 0.3, 0.1])
    assert means["n"]["faithfulness"].tolist() == [2, 2, 1]
    # Of two tasks, resampled lists have one of the two or both; of one there is no interval.
    ends = means.loc["faithfulness", ["low", "high"]].to_numpy(dtype=float)
    assert ends[:2] == pytest.approx(np.array([[0.7, 0.9], [0.1, 0.5]])) and np.isnan(ends[2]).all()
    assert means["value"]["same_layers"].to_dict() == pytest.approx({1: 0.6, 2: 0.7})
    own = found[(found["task"] == "language/a") & (found["measure"] == "faithfulness")]
    assert own[["n", "low", "high"]].iloc[0].tolist() == pytest.approx([8, 0.8, 1.1])
    figure = draw_rivals(found, title="t")
    above, below = figure.axes
    ticks = [tick.get_text() for tick in below.get_xticklabels()]
    assert ticks == ["own circuit", "rival 1", "rival 2"]
    drawn = {tuple(np.round(line.get_ydata(), 3)) for line in above.lines}
    assert {(0.8, 0.3, 0.1), (0.2, 0.2, 0.2), (0.9, 0.5, 0.1), (0.7, 0.1)} <= drawn
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:3] == [words for words, *_ in KEPT.values()]
    plt.close(figure)
    plt.close(draw_rivals(found.iloc[:0], title="t"))
