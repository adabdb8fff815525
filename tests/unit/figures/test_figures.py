"""Figures: each on whole, empty, tiny and missing data, drawn and saved without a warning."""

import re
import warnings
from itertools import combinations, product
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from brodmann.circuits.against_controls import COLUMNS as CONTROL_COLUMNS
from brodmann.circuits.against_controls import GROUPS
from brodmann.config.load import load_config
from brodmann.config.selection import selection_words
from brodmann.figures.ablation import draw_ablation, draw_forecast, pairs
from brodmann.figures.accuracy import draw_accuracy
from brodmann.figures.chord import (
    Circle,
    chord_links,
    circle_order,
    common_scale,
    draw_chord,
    subgroup,
)
from brodmann.figures.composition import draw_composition
from brodmann.figures.confounds import draw_confounds, p_text
from brodmann.figures.consistency import draw_consistency, draw_structure_function
from brodmann.figures.controls import draw_controls
from brodmann.figures.domains import draw_domains
from brodmann.figures.overlap import draw_overlap, of_matrix
from brodmann.figures.panels import by_rows
from brodmann.figures.registry import NOTHING, Scene, families, family_of
from brodmann.figures.robustness import draw_robustness
from brodmann.figures.style import (
    DOMAIN_HATCHES,
    DOMAIN_MARKERS,
    DOUBLE,
    MARGIN,
    SINGLE,
    TYPE,
    empty_figure,
    named,
    ordered_domains,
    readable,
    save_figure,
    text_colour,
)
from brodmann.statistics.accuracy import COLUMNS
from brodmann.statistics.composition import BINNED_COLUMNS, binned, composition
from brodmann.statistics.inventory import Inventory
from brodmann.store.tables import write_matrix
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.domains import PUBLISHED as DOMAINS

MANY = (
    "language/npi",
    "formal/add_sub",
    "formal/code_loop",
    "formal/sudoku",
    "physical/newton",
    "social/agent",
)
TASKS = {"many": MANY, "one_task": MANY[:1], "one_domain": MANY[1:4], "empty": ()}
CASES = ("many", "one_task", "one_domain", "empty", "nan")


@pytest.fixture(autouse=True)
def quick():
    """Few pixels; and no figure is left open."""
    with plt.rc_context({"savefig.dpi": 40}):
        yield
    plt.close("all")


@pytest.fixture
def save(tmp_path):
    """Draws and saves with warnings as errors; gives the figure."""

    def draw(function, *arguments, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure = function(*arguments, **settings)
            save_figure(figure, tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 500
        return figure

    return draw


def tasks_of(case):
    return TASKS.get(case, MANY)


def values_of(case, shape, seed=0):
    if case == "nan":
        return np.full(shape, np.nan)
    return np.full(shape, 0.4) if case == "constant" else np.random.default_rng(seed).random(shape)


def matrix_of(case):
    tasks = list(tasks_of(case))
    values = values_of(case, (len(tasks), len(tasks)))
    return pd.DataFrame((values + values.T) / 2, tasks, tasks)


def texts(figure):
    """All that is written in a figure."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        if axes.get_visible():
            found += [*axes.texts, axes.title, axes._left_title]
            found += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    found += [figure._suptitle] if figure._suptitle else []
    return [text.get_text() for text in found]


def is_statement(figure):
    """The figure only says that there is nothing to draw."""
    return len(figure.axes) == 1 and not figure.axes[0].axison and len(figure.axes[0].texts) == 1


# Matrices


@pytest.mark.parametrize("case", [*CASES, "constant"])
def test_overlap(save, case):
    matrix = matrix_of(case)
    figure = save(draw_overlap, matrix, "containment", reliability=None, title="a title")
    assert "a title" in texts(figure)
    assert is_statement(figure) == (case in ("empty", "nan", "one_task"))
    if case == "many":
        assert len(figure.axes) == 2
        shown = texts(figure)
        assert {"npi  1", "add sub  2", "1", "2", *DOMAINS, "no value"} <= set(shown)
        matrix = matrix.drop(columns="language/npi").reindex(columns=matrix.columns)
        draw_overlap(matrix, "jaccard", reliability={"social/agent": 0.9}, title="")


def test_a_matrix_of_one_task_is_not_drawn(save):
    rates = {MANY[0]: 0.5}
    figure = save(draw_overlap, matrix_of("one_task"), "jaccard", reliability=rates, title="")
    assert is_statement(figure) and is_statement(draw_ablation(matrix_of("one_task"), title=""))


@pytest.mark.parametrize("case", CASES)
def test_ablation(save, case):
    figure = save(draw_ablation, matrix_of(case), title="a title")
    assert is_statement(figure) == (case in ("empty", "nan", "one_task"))
    if not is_statement(figure):
        label = figure.axes[0].get_xlabel()
        assert len(figure.axes) == 2
        assert label == "rows: silenced circuit; columns: tested task"


@pytest.mark.parametrize("case", [*CASES, "constant"])
def test_forecast(save, case):
    matrix = matrix_of(case)
    figure = save(draw_forecast, pairs(matrix, 1 - matrix**2, matrix), title="a title")
    assert is_statement(figure) == (case in ("empty", "nan"))
    if not is_statement(figure):
        domains = ordered_domains(map(domain_of, tasks_of(case)))
        assert set(domains) <= set(texts(figure))


@pytest.mark.parametrize("draw", ["overlap", "chord", "accuracy"])
def test_figures_of_many_tasks_are_no_wider_than_a_page(draw):
    tasks = [f"{domain}/a_task_of_long_name_number_{n}" for domain in DOMAINS for n in range(6)]
    matrix = pd.DataFrame(np.eye(24), tasks, tasks)
    matrix.iloc[0, 1] = 0.5
    figure = {
        "overlap": lambda: draw_overlap(matrix, "jaccard", reliability=None, title="wide " * 40),
        "chord": lambda: draw_chord(matrix, title="wide " * 40),
        "accuracy": lambda: draw_accuracy(accuracy(tasks, 1)),
    }[draw]()
    assert figure.get_figwidth() <= DOUBLE + 1e-9
    assert figure.get_tightbbox().width <= DOUBLE + 2 * MARGIN


# Accuracy


def accuracy(tasks, models=2, value=None):
    names = [f"model-{n}" for n in range(models)]
    rows = []
    for number, (model, task) in enumerate(product(names, tasks)):
        share = (number * 37 % 100) / 100 if value is None else value
        share = None if share != share else share
        included = share is not None and share >= 0.6
        counts = (90, 90, 50)
        rows.append((model, domain_of(task), task, share, share, share, *counts, included, ""))
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize("case", CASES)
def test_accuracy(save, case):
    value = {"one_task": 0.8, "nan": np.nan}.get(case)
    figure = save(draw_accuracy, accuracy(tasks_of(case), value=value), controls=["model-1"])
    assert is_statement(figure) == (case == "empty")
    if case == "empty":
        return
    assert len(figure.axes) == 2
    assert {"model-0", "model-1\n(control)", "formal"} - set(texts(figure)) <= (
        {"formal"} if case == "one_task" else set()
    )
    assert ("crossed out: not included" in texts(figure)) == (case != "one_task")


# Chord


def test_links_by_hand():
    tasks = ["social/c", "language/a", "language/b", "formal/d"]
    matrix = pd.DataFrame(np.eye(4), tasks, tasks)
    matrix.loc["language/a", "language/b"], matrix.loc["language/b", "language/a"] = 0.3, 0.1
    matrix.loc["social/c", "language/a"], matrix.loc["language/a", "social/c"] = 0.05, np.nan
    matrix.loc["social/c", "formal/d"], matrix.loc["formal/d", "social/c"] = 0.08, 0.01
    matrix.loc["formal/d", "language/a"] = matrix.loc["language/a", "formal/d"] = np.nan
    found = chord_links(matrix)
    assert list(found.columns) == ["source", "target", "overlap"]
    assert found.to_numpy().tolist() == [
        ["language/a", "language/b", pytest.approx(0.2)],
        ["language/a", "social/c", 0.05],
    ]
    assert len(chord_links(matrix, 0.01)) == 3 and chord_links(matrix.iloc[:0, :0]).empty


def test_formal_tasks_have_subgroups():
    assert subgroup("formal/simple_equation") == subgroup("formal/mul_div_x") == "arithmetic"
    assert subgroup("formal/number_sorting") == subgroup("formal/code_x") == "code & algorithmic"
    assert subgroup("formal/logic_x") == "logic" and subgroup("formal/x") == "other formal"
    assert subgroup("social/logic_x") == "social"
    ordered = circle_order(["social/a", "formal/code_x", "formal/x", "formal/mul_div_x"])
    assert ordered == ["formal/mul_div_x", "formal/code_x", "formal/x", "social/a"]


def circle(pairs, tasks="abcd"):
    """Tasks of one domain, with these overlaps."""
    names = [f"x/{task}" for task in tasks]
    matrix = pd.DataFrame(np.eye(len(names)), names, names)
    for (a, b), overlap in pairs.items():
        matrix.loc[f"x/{a}", f"x/{b}"] = matrix.loc[f"x/{b}", f"x/{a}"] = overlap
    return Circle.of(matrix, 0.05)


def test_sectors_hold_their_links_on_the_scale_that_fits():
    one = circle({"ab": 0.5, "ac": 0.2})
    sizes, scale = one.sectors(one.most), one.most
    # All of the circle; what little overlap needs has the width of its label.
    assert scale * sum(sizes.values()) == pytest.approx(one.room)
    assert scale * sizes["x/d"] == pytest.approx(one.least)
    assert sizes["x/a"] == pytest.approx(0.7) and sizes["x/b"] == pytest.approx(0.5)
    assert set(circle({}).sectors(circle({}).most).values()) == {1.0}


def test_an_overlap_has_one_width_in_all_diagrams():
    """A strong model and a weak one: the weak one's bands are narrower, in the ratio of the overlaps."""
    strong, weak = circle({"ab": 0.8, "cd": 0.6}), circle({"ab": 0.1})
    scale = common_scale([strong, weak, circle({})])
    assert scale == strong.most < weak.most
    widths = []
    for one, overlap in ((strong, 0.8), (weak, 0.1)):
        sizes = one.sectors(scale)
        degrees = one.room / sum(sizes.values())  # of a size of 1, as the circle is filled
        assert degrees == pytest.approx(scale)
        widths.append(degrees * overlap)
        assert all(sizes[task] >= total for task, total in one.sums.items())
    assert widths[0] / widths[1] == pytest.approx(8)


def test_all_models_and_the_average_set_the_scale_of_chords(root, tmp_path):
    (tmp_path / "config.yaml").write_text("models: {a: {source: 'hf:o/a'}, b: {source: 'hf:o/b'}}")
    study = load_config([tmp_path / "config.yaml"], root=root).study
    scene = Scene(study, Inventory.of(study, {}), "a", "neurons")
    family = family_of("overlap_figures")
    place = "results/{}/overlap/neurons/positive-0.1pct.containment.csv"
    every = [place.format(model) for model in ("a", "b", "average")]
    assert [family.reads(scene.at(m, "neurons"))["every"] for m in "ab"] == [every, every]
    assert "on one scale for all models" in family.figures[0].captions["overlap"]
    # Titles say the circuits in words.
    assert family.settings(scene)["title"] == "a: circuits of 0.1 % of neurons, positive"


@pytest.mark.parametrize("case", CASES)
def test_chord(save, case):
    figure = save(draw_chord, matrix_of(case), title="a title")
    assert is_statement(figure) == (case in ("empty", "one_task", "nan"))
    shown = texts(figure)
    assert ("no two tasks overlap by 5 % or more" in shown) == (case == "nan")
    if not is_statement(figure):
        names = {task.split("/")[1].replace("_", " ") for task in tasks_of(case)}
        assert len(figure.axes) == 1 and names <= set(shown)


# Composition


def binned_of(case):
    tasks = {
        task: np.random.default_rng(n).normal(size=(6, 40)) for n, task in enumerate(tasks_of(case))
    }
    if case == "constant":
        tasks = {task: np.ones((1, 5)) for task in tasks}
    table = binned([composition(tasks, 10)])
    return table.assign(per_layer=np.nan) if case == "nan" else table


@pytest.mark.parametrize("case", [*CASES, "constant"])
def test_composition_panels(save, case):
    # Fewer bins are quicker to draw.
    table = binned_of(case)
    table = table[table["bin"] < 6]
    panels = {"models": table, "control": table.iloc[:0]} if case == "many" else {"models": table}
    figure = save(draw_composition, panels, title="a title")
    assert is_statement(figure) == (case == "empty")
    if case != "empty":
        assert {*panels, "shared"} <= set(texts(figure))
    assert ("no layer" in texts(figure)) == (case in ("nan", "many"))


def test_no_words_lie_on_each_other_where_there_is_one_panel(root):
    """Of a study of one model, under the title that the pipeline gives it."""
    config = root / "config.yaml"
    scene = Scene(load_config([config], root=root).study, None, "", "neurons")
    [composed] = [one for one in families() if one.rule == "composition_figure"]
    title = composed.settings(scene)["title"]
    figure = draw_composition({"average of 2 models": binned_of("many")}, title=title)
    figure.draw_without_rendering()
    boxes = [figure._suptitle, *figure.legends, figure.axes[-1].xaxis.label]
    boxes += [axes.yaxis.label for axes in figure.axes]
    boxes = [box.get_window_extent() for box in boxes]
    assert not [1 for a, b in combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize(("form", "column"), [("counts", "per_layer"), ("published", "log")])
def test_a_stack_is_as_high_as_what_it_stacks(form, column):
    """Counts by default; their logarithms only where the published form is asked for."""
    table = binned_of("many")
    panels = {"models": table}
    figure = draw_composition(panels, title="", form=form)
    if form == "counts":
        default = draw_composition(panels, title="")
        assert default.axes[-1].get_ylabel() == figure.axes[-1].get_ylabel() == "units per layer"
    else:
        assert "log10" in figure.axes[-1].get_ylabel()
    tops = {}
    for bar in figure.axes[-1].patches[: 25 * table["owner"].nunique()]:
        place = round(bar.get_x() + bar.get_width() / 2, 6)
        tops[place] = max(tops.get(place, 0), bar.get_y() + bar.get_height())
    sums = table.groupby("bin")[column].sum().to_numpy()
    assert [tops[place] for place in sorted(tops)] == pytest.approx(sums)
    assert is_statement(draw_composition({}, title=""))
    assert is_statement(draw_composition({"x": pd.DataFrame(columns=BINNED_COLUMNS)}, title=""))


def test_the_axis_is_broken_where_one_layer_would_hide_the_others():
    rows = [(n, "formal", count, 1, count, 0.1) for n, count in enumerate([3, 4, 2, 5, 200])]
    tall = pd.DataFrame(rows, columns=BINNED_COLUMNS)
    upper, lower = draw_composition({"m": tall}, title="").axes
    assert lower.get_ylim()[0] == 0 and 5 < lower.get_ylim()[1] < 200 / 10
    assert 5 < upper.get_ylim()[0] < 200 < upper.get_ylim()[1]
    assert "axis broken" in lower.get_ylabel()
    even = tall.assign(per_layer=tall["per_layer"].clip(upper=6))
    assert len(draw_composition({"m": even}, title="").axes) == 1


def test_panels_of_composition_are_equally_high():
    figure = draw_composition({"m": binned_of("many"), "other": binned_of("many")}, title="a title")
    figure.draw_without_rendering()
    one, other = (axes.get_window_extent().height for axes in figure.axes)
    assert one == pytest.approx(other, rel=0.01)


# Domains and controls


def domains_of(case, kinds=("within", "to_others", "from_others")):
    rows = list(product(ordered_domains(map(domain_of, tasks_of(case))), kinds))
    table = pd.DataFrame(rows, columns=["domain", "pairs"])
    values = values_of(case, len(rows))
    return table.assign(mean=values - 0.3, low=values - 0.4, high=values, n=12)


@pytest.mark.parametrize("case", CASES)
def test_domains(save, case):
    panels = {"model": domains_of(case)}
    figure = save(draw_domains, panels, ylabel="overlap", title="a title")
    assert is_statement(figure) == (case == "empty")
    if case not in ("empty", "nan"):
        assert len(figure.axes) == 1 and texts(figure).count("12") == len(panels["model"])


def test_overlap_has_no_direction(save):
    table = domains_of("many", ("across", "within"))
    table.loc[0, "mean"] = np.nan
    table.loc[1, "low"] = np.nan
    figure = save(draw_domains, {"a": table, "b": table}, ylabel="overlap", title="")
    assert len(figure.axes) == 2
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["two tasks of the domain", "one task of the domain, one of another"]
    assert texts(figure).count("–") == 2
    # Hatches are those of domains in other figures.
    assert not any(bar.get_hatch() for axes in figure.axes for bar in axes.patches)
    ends = {tuple(line.get_ydata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 2}
    known = table.dropna(subset=["mean", "low"])
    assert ends - {(0, 0)} == set(zip(known["low"], known["high"], strict=True))


@pytest.mark.parametrize("case", CASES)
def test_controls(save, case):
    domains = ordered_domains(map(domain_of, tasks_of(case)))
    rows = list(product([*domains, *(["all"] if domains else [])], GROUPS))
    table = pd.DataFrame(rows, columns=["domain", "group"]).assign(n=3)
    table["mean"] = values_of(case, len(rows))
    table["sem"] = np.where(np.arange(len(rows)) % 3, table["mean"] / 8, np.nan)
    figure = save(draw_controls, table[CONTROL_COLUMNS], title="a title")
    assert is_statement(figure) == (case in ("empty", "nan"))
    if not is_statement(figure):
        # Tasks in brackets: of so many an own circuit was silenced.
        named = {f"{domain} (3)" for domain in [*domains, "all"]}
        assert {*named, "its own circuit"} <= set(texts(figure))


def test_shares_are_in_per_cent_on_the_axis(save):
    table = domains_of("many", ("within",)).assign(mean=0.25, low=0.125, high=0.5)
    figure = save(draw_domains, {"a": table}, ylabel="units in common (%)", title="")
    figure.draw_without_rendering()
    ticks = figure.axes[0].get_yticklabels()
    shown = [tick.get_text() for tick in ticks if 0 <= tick.get_position()[1] <= 0.5]
    assert shown[:2] == ["0", "10"] and shown[-1] == "50"


def test_a_legend_is_read_by_rows():
    figure = plt.figure()
    names = ["a", "b", "c", "d", "e", "f", "g"]
    handles = by_rows([Line2D([], [], label=name) for name in names], 3)
    legend = figure.legend(handles=handles, ncols=3)
    figure.draw_without_rendering()
    places = [text.get_window_extent() for text in legend.get_texts()]
    seen = sorted(
        zip(places, legend.get_texts(), strict=True), key=lambda one: (-round(one[0].y0), one[0].x0)
    )
    assert [text.get_text() for _, text in seen] == names
    plt.close(figure)


# Statistics


def confounds_of(models, outcomes=("overlap", "drop")):
    rows = list(product(models, outcomes, ("domain", "domain_and_surface")))
    table = pd.DataFrame(rows, columns=["model", "outcome", "predictors"])
    values = np.linspace(-0.1, 0.4, len(rows))
    return table.assign(
        control=table["model"] == "blank",
        coefficient=values,
        low=values - 0.1,
        high=values + 0.1,
        p=np.abs(values) / 100,
    )


def test_confounds(save):
    table = confounds_of(["blank", "a", "b"])
    table.loc[2, ["coefficient", "low", "high", "p"]] = np.nan
    figure = save(draw_confounds, table, title="a title")
    assert len(figure.axes) == 2
    shown = texts(figure)
    assert {"overlap", "accuracy lost", "not estimated", "< 0.001", "blank (control)"} <= set(shown)
    # Controls come last.
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][-1] == "blank (control)"
    one = save(draw_confounds, confounds_of(["blank"], ["overlap"]), title="")
    assert len(one.axes) == 1
    table.loc[table["outcome"] == "drop", "coefficient"] = np.nan
    assert "no data" in texts(draw_confounds(table, title=""))
    for nothing in (table.iloc[:0], table.assign(coefficient=np.nan)):
        assert is_statement(draw_confounds(nothing, title=""))


def test_p_values_are_short():
    assert [p_text(p) for p in (0.0341, 0.0009, 1.0, np.nan)] == ["0.034", "< 0.001", "1.000", "–"]


def test_consistency(save):
    models = ["a", "b", "c"]
    tau = pd.DataFrame([[1, 0.5, -0.25], [0.5, 1, np.nan], [-0.25, np.nan, 1]], models, models)
    figure = save(draw_consistency, tau, title="a title", label="Kendall's tau")
    assert len(figure.axes) == 2
    printed = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(printed) == ["0.50", "0.50", "−0.25", "−0.25"]
    for nothing in (tau.iloc[:0, :0], tau.iloc[:1, :1], tau * np.nan):
        assert is_statement(draw_consistency(nothing, title="", label=""))


def structure_of(case, models):
    rows = list(product(models, tasks_of(case), tasks_of(case)))
    table = pd.DataFrame(rows, columns=["model", "source", "target"])
    return table.assign(
        overlap=values_of(case, len(rows)), drop=values_of(case, len(rows), 1), rho="ρ = 0.5"
    )


@pytest.mark.parametrize("case", [*CASES, "constant"])
def test_structure_function(save, case):
    figure = save(draw_structure_function, structure_of(case, ["a", "b"]), title="a title")
    # One task has no pair with another one.
    assert is_statement(figure) == (case in ("empty", "nan", "one_task"))
    if not is_statement(figure):
        assert len(figure.axes) == 2 and "a\nρ = 0.5" in texts(figure)
        assert ("two domains" in texts(figure)) == (case != "one_domain")


def test_structure_function_of_many_models(save):
    table = structure_of("one_domain", list("abcde")).iloc[::2]
    table.loc[table["model"] == "c", "drop"] = np.nan
    figure = save(draw_structure_function, table.drop(columns="rho"), title="")
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 5 and "no data" in texts(figure)


def robustness_of(models, percents=(0.05, 0.1, 1.0)):
    table = pd.DataFrame(product(models, percents), columns=["model", "percent"])
    values = np.linspace(0.1, 0.3, len(table))
    return table.assign(
        control=table["model"] == "blank",
        within=values,
        cross=values / 3,
        ratio=3.0,
        ari=np.where(np.arange(len(table)) == 1, np.nan, values),
    )


def test_robustness(save):
    table = robustness_of(["average", "a", "blank"])
    figure = save(draw_robustness, table, title="a title")
    assert len(figure.axes) == 3 and [len(axes.lines) for axes in figure.axes] == [6, 4, 3]
    widths = {line.get_linewidth() for line in figure.axes[2].lines}
    assert len(widths) == 2 and "blank (control)" in texts(figure)
    assert len(draw_robustness(robustness_of(["a"], [0.1]), title="").axes) == 3
    values = ["within", "cross", "ratio", "ari"]
    save(draw_robustness, table.assign(ari=np.nan, ratio=np.nan), title="")
    for nothing in (table.iloc[:0], table.assign(**dict.fromkeys(values, np.nan))):
        assert is_statement(draw_robustness(nothing, title=""))


# Style


def test_domains_differ_in_more_than_colour():
    assert set(DOMAIN_MARKERS) == set(DOMAINS) <= set(DOMAIN_HATCHES)
    assert len(set(DOMAIN_MARKERS.values())) == 4 and len(set(DOMAIN_HATCHES.values())) == 5
    found = ordered_domains(["all", "zoo", "social", "shared", "language", "art"])
    assert found == ["language", "social", "art", "zoo", "shared", "all"]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("positive-0.1pct", "0.1 % of units, positive"),
        ("top-1.0pct", "1 % of units, the most selective"),
        ("least-172units", "172 units, the least selective"),
        ("range-90-99.5-1.0pct", "1 % of units, percentiles 90 to 99.5"),
    ],
)
def test_selections_are_said_in_words(selection, words):
    assert selection_words(selection, "units") == words


def test_text_can_be_read():
    assert text_colour("white") == "black" and text_colour("#2471A3") == "white"
    assert readable("#000000") == "#000000" and readable("#27AE60") != "#27AE60"


def svg_of(tmp_path, figure):
    save_figure(figure, tmp_path / "figure.svg")
    return ElementTree.parse(tmp_path / "figure.svg").getroot()


def found_in(root, tag):
    return ["".join(one.itertext()) for one in root.iter(f"{{http://www.w3.org/2000/svg}}{tag}")]


def test_svg_text_stays_text_and_cells_say_their_values(tmp_path):
    matrix = matrix_of("one_domain")
    names = {"formal/add_sub": "sums & differences"}
    with named(names):
        figure = draw_overlap(matrix, "containment", reliability=None, title="two words")
    root = svg_of(tmp_path, figure)
    assert {"two words", "sums & differences  1", "formal"} <= set(found_in(root, "text"))
    value = 100 * matrix.loc["formal/add_sub", "formal/sudoku"]
    titles = found_in(root, "title")
    assert f"sums & differences, sudoku: {value:.1f} %" in titles
    assert len(titles) == 3 * 2  # the diagonal is blank
    # Where a cell is: over its place in the picture, as large as the others.
    boxes = [
        re.findall(r"[\d.]+", one.get("d")) for one in root.iter() if len(one) and one.get("d")
    ]
    x0, y0, x1, y1, _ = np.array(boxes, dtype=float).T
    assert np.ptp(x1 - x0) < 0.3 and np.ptp(y1 - y0) < 0.3
    width, height = (float(root.get(side)[:-2]) for side in ("width", "height"))
    assert (x0 > 0).all() and (x1 < width).all() and (y0 > 0).all() and (y1 < height).all()


def test_links_and_bars_say_their_values(tmp_path):
    matrix = matrix_of("one_domain")
    value = matrix.loc["formal/add_sub", "formal/code_loop"]
    titles = found_in(svg_of(tmp_path, draw_chord(matrix, title="")), "title")
    assert f"add sub and code loop: {100 * value:.1f} % shared" in titles and len(titles) == 3
    bars = draw_domains({"m": domains_of("one_domain")}, ylabel="", title="")
    assert len(found_in(svg_of(tmp_path, bars), "title")) == 3


def test_a_figure_of_nothing_says_so_to_the_report(tmp_path):
    root = svg_of(tmp_path, empty_figure("a title", "none"))
    assert "none" in found_in(root, "text") and any(one.get("id") == NOTHING for one in root.iter())
    drawn = svg_of(tmp_path, draw_chord(matrix_of("one_domain"), title=""))
    assert not any(one.get("id") == NOTHING for one in drawn.iter())


@pytest.mark.parametrize("case", ["many", "one_domain"])
def test_all_type_has_one_size(case):
    matrix = matrix_of(case)
    models = ["a", "b"]
    figures = [
        draw_overlap(matrix, "containment", reliability=None, title="a title"),
        draw_ablation(matrix, title="a title"),
        draw_chord(matrix, title="a title"),
        draw_accuracy(accuracy(tasks_of(case))),
        draw_composition({"m": binned_of(case)}, title="a title"),
        draw_domains({"m": domains_of(case)}, ylabel="y", title="a title"),
        draw_confounds(confounds_of(models), title="a title"),
        draw_structure_function(structure_of(case, models), title="a title"),
        draw_robustness(robustness_of(models), title="a title"),
    ]
    for figure in figures:
        assert figure.get_figwidth() <= SINGLE + 1e-9
        sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}
        assert sizes == {TYPE}
        plt.close(figure)


def test_pdf_text_stays_text(tmp_path):
    figures = {
        "chord": draw_chord(matrix_of("one_domain"), title="a → b"),
        "empty": empty_figure("a title"),
    }
    for name, figure in figures.items():
        path = tmp_path / f"{name}.pdf"
        save_figure(figure, path)
        data = path.read_bytes()
        # Type 42 fonts are embedded TrueType, CIDFontType2 where a text is not Latin.
        assert re.search(rb"/Subtype /(CIDFontType2|TrueType)|/FontFile2", data), name
        assert b"/Type3" not in data, name


def test_the_same_data_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        for ending in ("pdf", "svg"):
            path = tmp_path / name / f"chord.{ending}"
            save_figure(draw_chord(matrix_of("one_domain"), title=""), path)
    for ending in ("pdf", "svg"):
        first, second = ((tmp_path / name / f"chord.{ending}").read_bytes() for name in "ab")
        assert first == second


def test_noise_corrected_overlap_ends_at_one():
    tasks = ["language/a", "language/b", "formal/c"]
    table = pd.DataFrame([[1, 2.8, 0.5], [2.8, 1, 0.4], [0.5, 0.4, 1]], tasks, tasks)
    rates = {"language/a": 0.5, "language/b": 0.5, "formal/c": 0.01}
    figure = draw_overlap(table, "noise_corrected", reliability=rates, title="")
    [image] = figure.axes[0].images
    assert image.get_clim() == (0, 1) and image.colorbar.extend == "max"
    # Ceilings with formal/c are 0.07: nothing is known there.
    grey = np.isnan(np.ma.filled(image.get_array().astype(float), np.nan))
    assert grey.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    assert any("ceiling < 10 %" in text.get_text() for text in figure.legends[0].texts)


def test_heatmaps_of_models_have_one_scale(tmp_path):
    """That of the model whose circuits share most; reliabilities may lie beyond it."""
    tasks = ["language/a", "formal/b"]
    files = []
    for name, value in (("trained", 0.6), ("untrained", 0.2)):
        files.append(tmp_path / f"{name}.csv")
        write_matrix(files[-1], pd.DataFrame([[1.0, value], [value, 1.0]], tasks, tasks))
    ends = []
    for own in files:
        asked = {"measure": "containment", "title": ""}
        figure, _ = of_matrix({"containment": own, "every": files}, asked)
        ends.append(figure.axes[0].images[0].get_clim())
    assert ends == [(0, pytest.approx(0.6))] * 2


def test_a_model_that_was_not_measured_has_a_word_in_its_row():
    table = confounds_of(["a", "b"])
    table = table[(table["model"] != "b") | (table["outcome"] != "drop")]
    figure = draw_confounds(table, title="")
    words = [[one.get_text() for one in axes.texts].count("not measured") for axes in figure.axes]
    assert words == [0, 1]


def test_pairs_in_one_place_are_one_larger_mark():
    rows = [("language/a", "language/b", 0.0, 0.0)] * 9 + [("language/a", "formal/c", 0.0, 0.0)]
    cells = pd.DataFrame(rows, columns=["source", "target", "overlap", "drop"]).assign(model="m")
    figure = draw_structure_function(cells, title="")
    across, own = figure.axes[0].collections
    assert own.get_sizes() == pytest.approx([3 * across.get_sizes()[0] * 11 / 5])
    # At their overlap, and seen through each other.
    for marks in (across, own):
        assert marks.get_offset_transform() == figure.axes[0].transData
    assert len(own.get_facecolors()) == 0 and len(own.get_edgecolors()) == 1
