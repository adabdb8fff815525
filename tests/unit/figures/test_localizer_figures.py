"""Figures of localized networks: whole, empty and odd data, without a warning."""

import warnings

import numpy as np
import pandas as pd
import pytest

from brodmann.figures import localizer as figures
from brodmann.figures.localized import dose_table
from brodmann.figures.style import save_figure

RNG = np.random.default_rng(0)


def lesions(percentages=(1.0, 5.0), tasks=("language/a", "language/b", "formal/c")):
    """A made-up lesion.csv."""
    rows = []
    for task, measure in (
        ("", "perplexity"),
        ("", "word_perplexity"),
        *((t, "accuracy") for t in tasks),
    ):
        conditions = [("intact", np.nan, np.nan, np.nan)]
        for percentage in percentages:
            conditions.append(("lesion", percentage, np.nan, "zero"))
            conditions += [("random", percentage, seed, "zero") for seed in (1, 2)]
            conditions.append(("lesion", percentage, np.nan, "mean"))
        for condition, percentage, seed, kind in conditions:
            value = 0.5 if measure == "accuracy" else 30.0
            rows.append(
                {
                    **{
                        "condition": condition,
                        "percentage": percentage,
                        "seed": seed,
                        "kind": kind,
                    },
                    **{"measure": measure, "task": task or np.nan, "n": 10, "value": value},
                    **{"low": value * 0.9, "high": value * 1.1},
                }
            )
    return pd.DataFrame(rows)


def test_accuracies_of_a_domain_are_pooled():
    table = lesions()
    table.loc[(table["task"] == "language/a") & (table["condition"] == "intact"), "value"] = 0.9
    doses = dose_table(table, "one", "language")
    # The first kind of lesion only, the corpus by tokens, a panel per domain.
    assert list(dict.fromkeys(doses["panel"])) == [
        "one\nlanguage: perplexity",
        "one\nlanguage: language tasks",
        "one\nlanguage: formal tasks",
    ]
    own = doses[doses["panel"] == "one\nlanguage: language tasks"]
    assert len(own) == 1 + 2 * (1 + 2)
    intact = own[own["condition"] == "intact"].iloc[0]
    assert (intact["n"], intact["value"]) == (20, pytest.approx(14 / 20))
    assert intact["low"] < intact["value"] < intact["high"]


DOSE = dose_table(lesions(), "one", "language")
FLAT = DOSE.assign(value=np.nan)
MATRIX = pd.DataFrame([[1, 0.2], [0.2, 1]], ["language", "own"], ["language", "own"])
WRITTEN = pd.DataFrame(
    [("p", "language/a", "language", 2.0, 0.01), ("p", "social/b", "social", np.nan, np.nan)],
    columns=["panel", "task", "domain", "ratio", "q"],
)


@pytest.mark.parametrize(
    ("draw", "data"),
    [
        (figures.draw_depth, {"one: language": RNG.random(12), "two: language": RNG.random(3)}),
        (figures.draw_depth, {f"m{n}: x": np.zeros(4) for n in range(8)}),
        (figures.draw_depth, {}),
        (figures.draw_selectivity, {"one": ("language", RNG.normal(size=(3, 50)), 2.0)}),
        (figures.draw_selectivity, {"one": ("own", np.full((2, 2), np.nan), np.nan)}),
        (figures.draw_selectivity, {}),
        (figures.draw_network_overlap, {"one": MATRIX, "two": MATRIX * np.nan}),
        (figures.draw_network_overlap, {"none": MATRIX.iloc[:0, :0]}),
        (figures.draw_dose, DOSE),
        (figures.draw_dose, FLAT),
        (figures.draw_dose, DOSE.iloc[:0]),
        (figures.draw_written, WRITTEN),
        (figures.draw_written, WRITTEN.iloc[:0]),
        (figures.draw_written, WRITTEN.iloc[1:]),
    ],
)
def test_each_draws_what_there_is(tmp_path, draw, data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(data, title="a title")
        assert figure.axes
        save_figure(figure, tmp_path / "figure.png", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_circuits_are_filled_by_q():
    table = WRITTEN.assign(ratio=[2.0, 3.0], q=[0.01, 0.2], p=0.01)
    figure = figures.draw_written(table, title="")
    faces = [
        len(own.get_facecolors()) for own in figure.axes[0].collections if len(own.get_offsets())
    ]
    assert faces == [1, 0]


def test_a_row_of_panels_is_a_model_and_a_measure_has_one_scale():
    other = dose_table(lesions(), "two", "language")
    worse = other["value"].where(other["measure"] != "perplexity", 90_000.0)
    doses = pd.concat([DOSE, other.assign(value=worse)], ignore_index=True)
    figure = figures.draw_dose(doses, title="")
    figure.draw_without_rendering()
    panels = np.array([one for one in figure.axes if one.get_visible()]).reshape(2, 3)
    assert [one.get_title(loc="left") for one in panels.flat] == [
        *(" \nperplexity", "language tasks", "formal tasks"),
        *(" \nperplexity", "language tasks", "formal tasks"),
    ]
    rows = [own[0].texts[0] for own in panels]
    assert [row.get_text() for row in rows] == [
        "one: language localizer\n ",
        "two: language localizer\n ",
    ]
    for above, below in panels.T:
        assert above.get_ylim() == below.get_ylim()
        assert above.get_position().x0 == pytest.approx(below.get_position().x0)
    low, high = panels[0, 0].get_ylim()
    assert low < 27 and high > 90_000 and panels[0, 0].get_ylabel() == "perplexity (log scale)"
    for axes in panels[:, 1:].flat:
        low, high = axes.get_ylim()
        assert low < 0 and 1 < high < 1.1
        [guess] = [line for line in axes.lines if "guessing" in str(line.get_label())]
        assert set(guess.get_ydata()) == {0.5}


def test_histograms_of_selectivity_have_one_scale():
    values = {
        "one": ("language", RNG.normal(size=(3, 500)), 2.0),
        "two": ("language", 9 * RNG.normal(size=(2, 50)), 2.0),
    }
    one, two = figures.draw_selectivity(values, title="").axes
    bars = [[(bar.get_x(), bar.get_width()) for bar in axes.patches] for axes in (one, two)]
    assert bars[0] == bars[1] and one.get_ylim() == two.get_ylim()
    heights = [sum(bar.get_height() for bar in axes.patches) for axes in (one, two)]
    assert heights == [1500, 100]


def test_every_random_draw_is_drawn():
    figure = figures.draw_dose(DOSE[DOSE["measure"] == "perplexity"], title="")
    [draws] = [line for line in figure.axes[0].lines if line.get_label() == "a random draw"]
    assert len(draws.get_xdata()) == 4 and draws.get_marker() == "o"


@pytest.mark.parametrize(("factor", "shown"), [(1000, "60,000"), (1, "60")])
def test_large_numbers_have_commas_on_a_linear_axis_too(factor, shown):
    table = DOSE[DOSE["measure"] == "perplexity"].assign(value=60.0 * factor)
    table = table.assign(low=50.0 * factor, high=70.0 * factor)
    figure = figures.draw_dose(table, title="")
    figure.draw_without_rendering()
    assert shown in [label.get_text() for label in figure.axes[0].get_yticklabels()]
