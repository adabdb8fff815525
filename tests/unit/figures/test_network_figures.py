"""Figures of networks: what they show, and that they draw whatever tables hold."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import findfont, get_font

from brodmann.comparison.stages.maps import COLUMNS
from brodmann.figures.draw import draw_family
from brodmann.figures.network_agreement import draw_map_agreement
from brodmann.figures.network_use import (
    draw_connectivity,
    draw_editing,
    draw_example,
    save_example,
)
from brodmann.figures.networks import (
    draw_consistency,
    draw_layers,
    draw_sizes,
    draw_template_iou,
    iou_square,
)
from brodmann.figures.registry import ENDINGS
from brodmann.figures.style import NEUTRAL, save_figure
from brodmann.networks.consistency import (
    DatasetNetworks,
    SampleNetworks,
    consistency_table,
    layers_table,
    sizes_table,
    template_iou_table,
)
from brodmann.networks.maps import Networks
from brodmann.networks.page import Course
from brodmann.networks.pieces import Piece
from brodmann.store.tables import write_frame


def made(names=("news", "code"), templates=4, samples=3, seed=0):
    dice = np.random.default_rng(seed)

    def networks(k):
        maps = 5.0 * (dice.random((k, 6, 50)) < 0.1 * dice.random((k, 1, 1)))
        return Networks(maps, dice.random(k), np.full(k, np.nan))

    return [
        DatasetNetworks(
            name,
            networks(templates),
            [SampleNetworks.of(networks(8), converged=True) for _ in range(samples)],
        )
        for name in names
    ]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_counts_are_printed():
    table = consistency_table(made(), 0.2)
    table["count"] = range(8)
    figure = draw_consistency(table, title="tiny")
    assert sorted(texts(figure)) == [str(n) for n in range(8)]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "news\n(of 24)",
        "code\n(of 24)",
    ]
    image = figure.axes[0].get_images()[0].get_array()
    assert image[1, 1] == pytest.approx(100 * 5 / 24)
    # A template that comes back once is pale.
    assert figure.axes[0].get_images()[0].get_clim() == (0, 100)


def test_layers_show_templates_and_single_texts():
    table = layers_table(made())
    figure = draw_layers(table, title="tiny")
    image = figure.axes[0].get_images()[0].get_array()
    assert image.shape == (5, 6)
    expected = table.query("dataset == 'news' and level == 'group' and template == 2").percent
    assert np.allclose(image[2], expected, equal_nan=True)
    single = table.query("dataset == 'news' and level == 'individual'").percent
    assert np.allclose(image[4], single)


def test_no_tick_stands_between_two_layers():
    """Of a model of few layers."""
    shares = {"method": "network", "map": "news all", "layer": [0, 1, 2], "share": [0.2, 0.3, 0.5]}
    layers = pd.DataFrame({"n_units": 9, **shares})
    three = layers_table(made())
    pair = {"space": "layers", "method": "circuit", "map": "language", "ratio": 1.0, "q": 0.5}
    pair |= {"other_method": "network", "other_map": "news all"}
    agreement = draw_map_agreement(pd.DataFrame([pair], columns=COLUMNS), layers, title="tiny")
    for figure in (draw_layers(three[three["layer"] < 3], title="tiny"), agreement):
        [axes, *_] = [one for one in figure.axes if one.get_xlabel() == "layer"]
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks == [0, 1, 2]


def test_maps_of_one_model_are_told_apart():
    """Every line has a look of its own, in grey, too; the panel of depth is as wide as the figure."""
    maps = [("circuit", name) for name in ("language", "formal", "social")]
    maps += [("localizer", "language"), ("network", "news all"), ("network", "code all")]
    rows = [(*one, 9, layer, 0.1 * layer) for one in maps for layer in range(9)]
    layers = pd.DataFrame(rows, columns=["method", "map", "n_units", "layer", "share"])
    pairs = [
        ("layers", *maps[0], *maps[3], 2.0, 0.01),
        ("units", *maps[3], *maps[4], 7.0, 0.2),
    ]
    names = ["space", "method", "map", "other_method", "other_map", "ratio", "q"]
    table = pd.DataFrame(pairs, columns=names).reindex(columns=COLUMNS)
    figure = draw_map_agreement(table, layers, title="tiny")
    figure.draw_without_rendering()
    ratios, depth = figure.axes
    looks = [(line.get_marker(), line.get_linestyle()) for line in depth.lines]
    assert len(set(looks)) == len(maps)
    assert len({line.get_color() for line in depth.lines[:3]}) == 3
    assert depth.get_window_extent().width > 0.75 * figure.bbox.width
    faces = {line.get_markerfacecolor() for line in ratios.lines if line.get_marker() in "o^"}
    assert len(faces) == 2
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "open: q ≥ 0.05" in legend


def test_the_square_of_templates():
    datasets = made()
    square = iou_square(template_iou_table(datasets, 0.2))
    assert square.shape == (8, 8) and np.allclose(square, square.T)
    assert (np.diag(square) == 1).all()
    assert list(square.index) == [(name, n) for name in ("news", "code") for n in range(4)]


@pytest.mark.parametrize(
    "shape",
    [
        (("one",), 1, 0),
        (("one",), 3, 2),
        pytest.param((("a", "b", "c", "d", "e"), 40, 1), marks=pytest.mark.slow),
    ],
)
def test_everything_is_drawn(tmp_path, shape):
    """One template and no single text, up to more templates than have room for labels."""
    datasets = made(*shape)
    frames = {
        "consistency": consistency_table(datasets, 0.2),
        "layers": layers_table(datasets),
        "sizes": sizes_table(datasets, 1000),
        "template_iou": template_iou_table(datasets, 0.2),
    }
    for name, frame in frames.items():
        write_frame(tmp_path / f"{name}.csv", frame)
    tables = {name: str(tmp_path / f"{name}.csv") for name in frames}
    settings = {"label": "tiny", "threshold": 0.2}
    draw_family("network_map_figures", tables, settings, model="tiny", folder=tmp_path / "figures")
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    names = {name: f"networks_{name}.tiny" for name in frames}
    assert written == {f"{n}{end}" for n in names.values() for end in ENDINGS}
    for name in frames:
        again = pd.read_csv(tmp_path / "figures" / f"{names[name]}.csv")
        assert len(again) == len(frames[name])


def test_nothing_to_draw_is_said():
    empty = consistency_table([], 0.2)
    for draw, table in (
        (draw_consistency, empty),
        (draw_layers, layers_table([])),
        (draw_sizes, sizes_table([], 1000)),
        (draw_template_iou, template_iou_table([], 0.2)),
    ):
        figure = draw(table, title="tiny")
        assert any("no networks" in text or "two templates" in text for text in texts(figure))


def titles(path):
    return re.findall(r"<title>(.*?)</title>", path.read_text(encoding="utf-8"))


def test_courses_say_their_values_and_mark_what_is_below_zero(tmp_path):
    """Twice as strong below zero as above: in grey both would be dark."""
    pieces, values = [Piece("one"), Piece(" two"), Piece("three")], np.array([0.5, -1.0, -0.1])
    courses = [Course("network 0", "3 units", values)]
    figure = draw_example(pieces, courses, title="a title")
    assert len(figure.axes[0].lines) == 1
    save_example(pieces, courses, "a title", str(tmp_path / "course"))
    assert titles(tmp_path / "course.svg") == ["one: 0.50", "two: −1.00", "three: −0.10"]
    assert (tmp_path / "course.png").is_file()


def test_words_of_a_course_stand_apart_without_spaces_at_their_start():
    """Browsers drop such spaces: the words are set one space after the end of the word before."""
    figure = draw_example(
        [Piece("one"), Piece(" two"), Piece("three"), Piece("  \t")],
        [Course("network 0", "", np.arange(4.0))],
        title="",
    )
    [axes] = figure.axes
    words = axes.texts[2:]  # after the heading and its note
    assert [word.get_text() for word in words] == [
        "one",
        "two",
        "three",
        "\N{RIGHTWARDS ARROW TO BAR}",
    ]
    boxes = [patch.get_x() for patch in axes.patches]
    ahead = [word.get_position()[0] - box for word, box in zip(words, boxes, strict=True)]
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(7, 72)
    space = font.load_char(ord(" ")).linearHoriAdvance / 65536 / 72
    assert np.allclose(np.subtract(ahead, ahead[0]), [0, space, 0, 2 * space], atol=0.1 * space)


def test_edits_and_connections_say_their_values(tmp_path):
    row = {"dataset": "news", "how": "inhibit", "amount": None, "n_units": 9, "intact": 30.0}
    edits = [("network-0", None, 90.0), ("random", "network-0", 31.0)]
    edited = [{**row, "condition": c, "control_of": of, "value": v} for c, of, v in edits]
    save_figure(draw_editing(pd.DataFrame(edited), title="t"), tmp_path / "editing.svg")
    told = titles(tmp_path / "editing.svg")
    assert told == ["random units inhibited: 31", "news network 0 inhibited: 90"]
    edited.append(
        {**row, "condition": "activation_matched", "control_of": "network-0", "value": 40}
    )
    figure = draw_editing(pd.DataFrame(edited), title="t")
    save_figure(figure, tmp_path / "matched.svg")
    told = titles(tmp_path / "matched.svg")
    assert sorted(told)[1:] == [
        "random units as active inhibited: 40",
        "random units inhibited: 31",
    ]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["edited", "random units", "random units as active", "intact"]
    pairs = [("network-0", "network-0", 1.0), ("network-0", "network-1", -0.5)]
    pairs += [(b, a, r) for a, b, r in pairs[1:]] + [("network-1", "network-1", 1.0)]
    table = pd.DataFrame(pairs, columns=["network", "other", "r"]).assign(dataset="news")
    figure = draw_connectivity(table, title="t")
    [marks] = figure.axes[0].lines
    assert set(zip(*marks.get_data(), strict=True)) == {(0, 1), (1, 0)}  # below zero
    save_figure(figure, tmp_path / "connectivity.svg")
    assert "network-0, network-1: −0.50" in titles(tmp_path / "connectivity.svg")


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [(9e4, {"100", "1,000", "10,000"}), (9e5, {"10²", "10⁴"}), (2e6, {"10²", "10⁴", "10⁶"})],
)
def test_edited_sets_are_named_in_words_and_an_axis_has_one_notation(highest, ticks):
    row = {"how": "inhibit", "amount": None, "n_units": 9, "intact": 30.0}
    edits = [
        ("news", "network-0", None, 90.0),
        ("encyclopedia+news", "union", None, highest),
        (None, "random", "15.0pct", 31.0),
    ]
    names = "dataset", "condition", "control_of", "value"
    figure = draw_editing(
        pd.DataFrame([{**row, **dict(zip(names, e, strict=True))} for e in edits]), title="t"
    )
    figure.draw_without_rendering()
    network, axes = (one for one in figure.axes if one.get_xlabel())
    assert [label.get_text() for label in network.get_yticklabels()] == ["news network 0 (9)"]
    # Random units are not drawn as an edit, and sets do not stretch the axis of networks.
    assert {line.get_color() for line in axes.lines if list(line.get_xdata()) == [31.0]} == {
        NEUTRAL
    }
    assert network.get_xlim()[1] < 200 < highest
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["encyclopedia and news:\nunion (9)", "random 15 % (9)"]
    low, high = axes.get_xlim()
    inside = {
        label.get_text()
        for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= high
    }
    assert inside >= ticks and len({one.isascii() for one in inside}) == 1
