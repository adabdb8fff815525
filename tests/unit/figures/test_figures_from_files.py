"""Figures that only whole studies draw, from small files: what they show, and the table beside them."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from safetensors.numpy import save_file

from brodmann.circuits.stages.stability import CURVE
from brodmann.comparison.stages.maps import COLUMNS as AGREEMENT
from brodmann.comparison.stages.maps import SHARE_COLUMNS
from brodmann.comparison.written import COLUMNS as WRITTEN
from brodmann.figures.draw import draw_family, drawn
from brodmann.figures.network_use import draw_connectivity, draw_editing, draw_example
from brodmann.figures.networks import draw_layers, draw_sizes
from brodmann.figures.registry import ENDINGS, family_of
from brodmann.figures.stability import draw_stability
from brodmann.figures.style import domain_colour
from brodmann.localizers.stages.lesion import COLUMNS as LESIONS
from brodmann.networks.consistency import SIZES
from brodmann.networks.page import Course
from brodmann.networks.pieces import Piece
from brodmann.networks.stages.editing import COLUMNS as EDITING
from brodmann.networks.stages.following import ACROSS_COLUMNS, CONNECTIVITY_COLUMNS
from brodmann.store import masks
from brodmann.store.tables import write_table


def written(tmp_path, name, rows, columns):
    """A table of a study, in which whatever a row does not say is empty."""
    path = tmp_path / f"{name}.csv"
    write_table(path, [dict.fromkeys(columns, "") | row for row in rows], columns)
    return str(path)


def shown(rule, number, files, **settings):
    """One figure of a family, and the table beside it."""
    return drawn(family_of(rule).figures[number], files, settings)


def texts(figure):
    own = [text.get_text() for axes in figure.axes for text in axes.texts]
    return own + [text.get_text() for text in figure.texts]


def title(figure):
    return figure._suptitle.get_text().replace("\n", " ")


# Stability


def stable(task, n_units, jaccard):
    return {"task": task, "n_units": n_units, "n_draws": 4, "jaccard": jaccard}


def test_a_domain_s_line_of_stability_is_the_mean_of_its_tasks(tmp_path):
    rows = [stable("language/a", 5, 0.2), stable("language/a", 20, 0.6)]
    rows += [stable("language/b", 5, 0.4), stable("language/b", 20, 1.0)]
    rows += [stable("formal/c", 5, 0.9)]
    settings = {"title": "circuits of resampled items"}
    draw_family(
        "stability_figure",
        {"table": written(tmp_path, "curve", rows, CURVE)},
        settings,
        model="tiny",
        component="neurons",
        folder=tmp_path / "figures",
    )
    stem = tmp_path / "figures/stability.tiny.neurons"
    assert {path.suffix for path in stem.parent.iterdir()} == set(ENDINGS)
    beside = pd.read_csv(f"{stem}.csv")
    assert beside["domain"].tolist() == ["language"] * 4 + ["formal"]
    assert beside["jaccard"].tolist() == [0.2, 0.6, 0.4, 1.0, 0.9]
    said = (stem.parent / "stability.tiny.neurons.svg").read_text(encoding="utf-8")
    assert "<title>language, 5 items: 0.30</title>" in said.lower()
    assert "<title>language, 20 items: 0.80</title>" in said.lower()


def test_every_task_has_a_pale_line_and_numbers_of_items_their_ticks():
    table = pd.DataFrame(
        [stable("language/a", 5, 0.2), stable("language/b", 5, 0.4), stable("language/b", 40, 0.6)]
    ).assign(domain="language")
    figure = draw_stability(table, title="")
    [axes] = figure.axes
    pale = [line for line in axes.lines if line.get_alpha() == 0.35]
    assert [list(line.get_ydata()) for line in pale] == [[0.2], [0.4, 0.6]]
    assert {to_hex(line.get_color()) for line in pale} == {domain_colour("language").lower()}
    [mean] = [line for line in axes.lines if line.get_linewidth() == 1.6]
    assert list(mean.get_ydata()) == pytest.approx([0.3, 0.6])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "40"]


def test_tasks_with_a_single_independent_item_have_no_curve():
    table = pd.DataFrame([stable("language/a", 1, np.nan)]).assign(domain="language")
    assert "no task has as many items" in texts(draw_stability(table, title="tiny"))


# What networks do


def edit(condition, value, **more):
    row = {"dataset": "news", "condition": condition, "how": "multiply", "amount": 2.0}
    return row | {"n_units": 9, "metric": "perplexity", "value": value, "intact": 30.0} | more


def test_only_perplexities_per_token_are_drawn_of_edits(tmp_path):
    rows = [edit("network-0", 90.0), edit("network-0", 800.0, metric="word_perplexity")]
    rows += [edit("network-0", 0.5, metric="accuracy", task="language/a")]
    rows += [edit("random", 31.0, control_of="network-0", seed=0)]
    files = {"editing": written(tmp_path, "editing", rows, EDITING)}
    figure, beside = shown("network_figures", 0, files, model="tiny")
    assert title(figure) == "tiny: perplexity with networks edited"
    assert beside["value"].tolist() == [90.0, 31.0]
    marks = [(line.get_marker(), *line.get_xdata()) for line in figure.axes[0].lines]
    assert ("o", 90.0) in marks and (".", 31.0) in marks
    assert not any(800.0 in mark for mark in marks)


def test_kinds_of_edits_that_do_not_fill_their_rows_leave_no_empty_axes():
    kinds = [("inhibit", None), ("multiply", 2.0), ("add", 1.0)]
    rows = [edit("network-0", 40.0 + n, how=h, amount=a) for n, (h, a) in enumerate(kinds)]
    figure = draw_editing(pd.DataFrame(rows).assign(control_of=""), title="")
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in visible] == ["inhibited", "× 2.0", "+ 1.0"]


def test_where_no_network_was_edited_the_figure_says_so(tmp_path):
    rows = [edit("intact", 30.0, how="", amount="", dataset="", n_units=0)]
    files = {"editing": written(tmp_path, "editing", rows, EDITING)}
    figure, beside = shown("network_figures", 0, files, model="tiny")
    assert "no network was edited" in texts(figure) and len(beside) == 1


def connected(dataset, one, other, r):
    names = {"network": f"network-{one}", "other": f"network-{other}"}
    return {"dataset": dataset, **names, "n_tokens": 40, "r": r}


def test_a_dataset_has_a_panel_of_what_goes_together(tmp_path):
    rows = [connected("news", 0, 0, 1.0), connected("news", 0, 1, -0.9)]
    rows += [connected("news", 1, 0, -0.9), connected("news", 1, 1, 1.0)]
    rows += [connected("code", 0, 0, 1.0)]
    files = {"connectivity": written(tmp_path, "connectivity", rows, CONNECTIVITY_COLUMNS)}
    figure, beside = shown("network_figures", 1, files, model="tiny")
    assert title(figure) == "tiny: networks whose courses go together"
    assert len(beside) == 5
    first, second = figure.axes[:2]
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["news", "code"]
    assert np.array_equal(first.get_images()[0].get_array(), [[1, -0.9], [-0.9, 1]])
    # A minus in both cells far below zero, in white on dark.
    [marks] = first.lines
    assert marks.get_color() == "white" and len(marks.get_xdata()) == 2
    assert not second.lines


def test_without_datasets_there_is_nothing_that_goes_together():
    figure = draw_connectivity(pd.DataFrame(columns=CONNECTIVITY_COLUMNS), title="tiny")
    assert "no dataset" in texts(figure)


def test_axes_name_the_models_whose_networks_are_compared(tmp_path):
    """Rows are the one model's networks, columns the other's, of which there may be more."""
    values = {(0, 0): 0.5, (0, 1): -0.3, (0, 2): 0.1, (1, 0): 0.0, (1, 1): 0.8, (1, 2): -0.1}
    rows = [
        {"dataset": "news", "model": "small", "network": f"network-{a}", "other": "large"}
        | {"other_network": f"network-{b}", "n_stretches": 30, "r": r}
        for (a, b), r in values.items()
    ]
    files = {"table": written(tmp_path, "across", rows, ACROSS_COLUMNS)}
    figure, beside = shown("networks_across", 0, files)
    axes = figure.axes[0]
    assert axes.get_images()[0].get_array().shape == (2, 3)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("large", "small")
    assert axes.get_title(loc="left") == "news" and len(beside) == 6
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "2"]
    [marks] = axes.lines  # only -0.3 is clearly below zero
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([1], [0])


def pair(one, other, ratio, q, space="layers"):
    names = dict(zip(("method", "map", "other_method", "other_map"), (*one, *other), strict=True))
    return {"space": space, **names, "ratio": ratio, "q": q}


LANGUAGE, ALL = ("localizer", "language"), ("network", "news all")


def test_maps_that_agree_for_sure_are_filled_and_single_networks_left_out(tmp_path):
    rows = [pair(LANGUAGE, ALL, 2.0, 0.01), pair(LANGUAGE, ALL, 3.0, 0.2, "units")]
    rows += [pair(LANGUAGE, ("network", "news network-0"), 9.0, 0.01)]
    rows += [{"note": "left out: circuits of heads"}]
    shares = [
        dict(zip(SHARE_COLUMNS, (*one, 4, layer, share), strict=True))
        for one in (LANGUAGE, ALL)
        for layer, share in enumerate((0.25, 0.75))
    ]
    files = {
        "agreement": written(tmp_path, "agreement", rows, AGREEMENT),
        "layers": written(tmp_path, "layers", shares, SHARE_COLUMNS),
    }
    figure, beside = shown("network_figures", 2, files, model="tiny")
    assert len(beside) == 4
    expected = "tiny: circuits, localized units and networks; left out: circuits of heads"
    assert title(figure) == expected
    ratios, depth = figure.axes
    marks = [line for line in ratios.lines if line.get_marker() in "^o"]
    faces = {float(line.get_xdata()[0]): line.get_markerfacecolor() for line in marks}
    assert faces == {2.0: "#222222", 3.0: "white"}
    assert [list(line.get_ydata()) for line in depth.lines] == [[25.0, 75.0]] * 2
    names = [label.get_text() for label in ratios.get_yticklabels()]
    assert names == ["language localizer – ICA news"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([pair(LANGUAGE, ALL, np.nan, np.nan)], "no two maps can be compared"),
        ([{"note": "left out: no circuits"}], "left out: no circuits"),
    ],
)
def test_maps_that_cannot_be_compared_are_no_figure(tmp_path, rows, said):
    files = {
        "agreement": written(tmp_path, "agreement", rows, AGREEMENT),
        "layers": written(tmp_path, "layers", [], SHARE_COLUMNS),
    }
    figure, _ = shown("network_figures", 2, files, model="tiny")
    assert said in texts(figure)


def test_a_new_line_of_the_text_begins_a_line_of_the_picture():
    pieces = [Piece("one\n"), Piece("two"), Piece("<s>", 1, True), Piece(" $\u0f3a")]
    figure = draw_example(pieces, [Course("network 0", "", np.zeros(4))], title="")
    words = figure.axes[0].texts[2:]
    assert words[1].get_position()[1] > words[0].get_position()[1]
    assert words[1].get_position()[0] < 0.1
    assert words[2].get_color() == "#777777"
    # Neither mathematics nor a box for what the font lacks.
    assert words[3].get_text() == r"\$<U+0F3A>"


@pytest.mark.parametrize(
    ("pieces", "courses"), [([], [Course("n", "", np.zeros(0))]), ([Piece("a")], [])]
)
def test_an_example_without_text_or_networks_says_so(pieces, courses):
    assert "no network to follow" in texts(draw_example(pieces, courses, title="tiny"))


# Templates


def test_many_templates_are_numbered_sparsely():
    rows = [
        {"dataset": "news", "level": level, "template": template, "layer": layer, "percent": 50.0}
        for level, templates in (("group", range(30)), ("individual", [np.nan]))
        for template in templates
        for layer in range(2)
    ]
    figure = draw_layers(pd.DataFrame(rows).assign(n_units=4), title="tiny")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == [*(str(n) for n in range(0, 30, 2)), "single texts"]


def sizes(level, *n_units, dataset="news"):
    return [{"dataset": dataset, "level": level, "n_units": n} for n in n_units]


def test_templates_are_marked_above_the_sizes_of_single_texts_networks():
    rows = sizes("individual", 10, 11, 40) + sizes("group", 20, 30)
    rows += sizes("group", 8, dataset="code") + sizes("other", 1, dataset="none")
    figure = draw_sizes(pd.DataFrame(rows).reindex(columns=SIZES), title="tiny")
    news, code, none = figure.axes
    assert sorted(bar.get_height() for bar in news.patches if bar.get_height()) == [1, 1, 1]
    assert [list(line.get_xdata()) for line in news.lines] == [[20, 30]]
    # Without networks of single texts there is no histogram.
    assert not code.patches and [list(line.get_xdata()) for line in code.lines] == [[8]]
    assert [text.get_text() for text in none.texts] == ["no data"]
    assert news.get_xlim()[1] == code.get_xlim()[1] == pytest.approx(40.8)


# Localized networks, from a study's files


def localized(tmp_path, model, network, t, units):
    folder = tmp_path / model / network
    folder.mkdir(parents=True)
    path = folder / "selectivity.safetensors"
    save_file({"t": np.array(t, dtype=float)}, path)
    origin = masks.Origin(model, "", "block_output")
    rows = [(layer, unit, str(t[layer][unit])) for layer, unit in units]
    masks.write(folder / "top-1.0pct.csv", "t", rows, origin, "top-1.0pct")
    return str(path)


@pytest.fixture
def two_networks(tmp_path):
    """One model, two networks that share a unit: files, and what the family is told."""
    t = [[3.0, 1.0, 0.0, -1.0], [0.5, 4.0, 2.0, 0.0]]
    files = {
        "selectivity": [
            localized(tmp_path, "tiny", "language", t, [(1, 1), (0, 0)]),
            localized(tmp_path, "tiny", "theory_of_mind", t, [(1, 1), (1, 2), (0, 1)]),
        ],
        "lesions": [],
        "written": [],
    }
    asked = {"models": ["tiny"], "writing": ["tiny"], "controls": ["tiny"]}
    return files, asked | {
        "networks": ["language", "theory_of_mind"],
        "selection": "top-1.0pct",
    }


def test_localized_units_are_counted_by_layer(two_networks):
    files, asked = two_networks
    figure, beside = shown("localizer_figures", 1, files, **asked)
    own = beside[beside["network"] == "theory_of_mind"]
    assert own["percent"].tolist() == [25.0, 50.0]
    labels = [axes.get_xticklabels()[0].get_text() for axes in figure.axes[:2]]
    assert labels[0] == "tiny (control):\nlanguage"


def test_selectivity_has_a_line_at_the_least_selective_unit(two_networks):
    files, asked = two_networks
    figure, beside = shown("localizer_figures", 2, files, **asked)
    thresholds = beside.groupby("network", sort=False)["threshold"].first()
    assert thresholds.to_dict() == {"language": 3.0, "theory_of_mind": 1.0}
    assert beside.groupby("network")["units"].sum().tolist() == [8, 8]
    dashed = [line.get_xdata()[0] for axes in figure.axes for line in axes.lines]
    assert dashed == [3.0, 1.0]


def test_networks_overlap_by_the_units_they_share(two_networks):
    files, asked = two_networks
    figure, beside = shown("localizer_figures", 3, files, **asked)
    found = beside.set_index(["network", "other"])["jaccard"]
    assert found["language", "theory_of_mind"] == pytest.approx(1 / 4)
    assert found["language", "language"] == 1.0
    assert figure.axes[0].get_images()[0].get_array().shape == (2, 2)


def test_a_network_without_units_shares_nothing(tmp_path):
    path = localized(tmp_path, "tiny", "language", [[0.0, 1.0]], [])
    files = {"selectivity": [path]}
    asked = {"models": ["tiny"], "controls": [], "networks": ["language"]}
    _, beside = shown("localizer_figures", 3, files, **asked, selection="top-1.0pct")
    assert np.isnan(beside["jaccard"]).all()


def test_doses_are_read_from_each_network_s_lesions(tmp_path):
    rows = [
        {"condition": condition, "percentage": percentage, "kind": kind, "measure": measure}
        | {"task": task, "n": n, "value": value, "low": value, "high": value}
        for condition, percentage, kind in (("intact", "", ""), ("lesion", 1.0, "zero"))
        for measure, task, n, value in (
            ("perplexity", "", 9, 30.0),
            ("accuracy", "language/a", 4, 0.75),
            ("accuracy", "language/b", 0, np.nan),
        )
    ]
    files = {"lesions": [written(tmp_path, "lesion", rows, LESIONS)]}
    asked = {"models": ["tiny"], "controls": [], "networks": ["language"]}
    figure, beside = shown("localizer_figures", 0, files, **asked, selection="")
    accuracy = beside[beside["measure"] == "accuracy"]
    # Items are pooled: three of four are right.
    assert accuracy["n"].tolist() == [4, 4] and accuracy["value"].tolist() == [0.75, 0.75]
    assert figure.axes[0].get_title(loc="left") == " \nperplexity"
    assert [text.get_text() for text in figure.axes[0].texts] == ["tiny: language localizer\n "]


def test_tasks_of_no_items_have_no_accuracy(tmp_path):
    rows = [
        {"condition": condition, "percentage": percentage, "kind": kind, "measure": "accuracy"}
        | {"task": "language/b", "n": 0, "value": np.nan}
        for condition, percentage, kind in (("intact", "", ""), ("lesion", 1.0, "zero"))
    ]
    files = {"lesions": [written(tmp_path, "lesion", rows, LESIONS)]}
    asked = {"models": ["tiny"], "controls": [], "networks": ["language"]}
    _, beside = shown("localizer_figures", 0, files, **asked, selection="")
    assert beside["n"].tolist() == [0, 0] and beside["value"].isna().all()


def test_a_study_without_localizers_has_no_doses():
    asked = {"models": [], "controls": [], "networks": [], "writing": [], "selection": ""}
    for number, said in ((0, "no lesion was measured"), (1, "no network is localized")):
        figure, beside = shown(
            "localizer_figures", number, {"lesions": [], "selectivity": []}, **asked
        )
        assert said in texts(figure) and beside.empty
    figure, beside = shown("localizer_figures", 4, {"written": []}, **asked)
    assert "no circuit or no network to compare" in texts(figure) and beside.empty


def test_what_circuits_write_has_a_panel_for_each_network(tmp_path):
    rows = [
        {"task": task, "domain": task.split("/")[0], "n": 5, "share": 0.1, "chance": 0.05}
        | {"ratio": ratio, "p": q, "q": q}
        for task, ratio, q in (("language/a", 2.0, 0.01), ("formal/b", 0.5, 0.9))
    ]
    files = {"written": [written(tmp_path, "circuits", rows, WRITTEN)] * 2}
    asked = {"writing": ["tiny"], "controls": [], "networks": ["language", "theory_of_mind"]}
    figure, beside = shown("localizer_figures", 4, files, **asked)
    assert beside["network"].tolist() == ["language"] * 2 + ["theory_of_mind"] * 2
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "tiny:\nlanguage localizer",
        "tiny:\ntheory of mind localizer",
    ]


# Accuracies that were taken over


def test_taken_over_accuracies_stand_beside_those_that_were_run(tmp_path):
    def baseline(task, both, included):
        path = tmp_path / f"{task.replace('/', '.')}.json"
        counted = {"n_items": 10, "n_aligned": 10, "n_both_correct": int(10 * both)}
        shares = {"both_correct_accuracy": both, "clean_accuracy": both}
        said = {"task": task, "included": included, "reason": "", "corrupted_accuracy": both}
        path.write_text(json.dumps(said | counted | shares))
        return str(path)

    tasks = ["language/a", "formal/b"]
    imported = tmp_path / "accuracy.csv"
    imported.write_text("task,both_correct_accuracy\nlanguage/a,0.9\nformal/b,0.25\n")
    matrix = tmp_path / "matrix.csv"
    matrix.write_text(",language/a\nlanguage/a,1.0\n")
    files = {
        "baselines": [baseline(tasks[0], 0.8, True), baseline(tasks[1], 0.3, False)],
        "imported": [str(imported)],
        "matrices": [str(matrix)],
    }
    asked = {"models": ["run"], "imported": ["published"], "matrix_models": ["published"]}
    figure, beside = shown("accuracy_heatmap", 0, files, **asked, tasks=tasks, controls=[])
    values = {
        (row.model, row.task): (float(row.both_correct_accuracy), bool(row.included))
        for row in beside.itertuples()
    }
    assert values["run", "language/a"] == (0.8, True)
    assert values["run", "formal/b"] == (0.3, False)
    assert values["published", "language/a"] == (0.9, True)
    assert values["published", "formal/b"][1] is False
    assert "crossed out: not included" in texts(figure)
