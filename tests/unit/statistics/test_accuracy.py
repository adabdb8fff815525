"""The accuracy table and heatmap: what is drawn is what was measured."""

import csv
import json

import numpy as np
import pytest
from matplotlib.colors import to_hex

from brodmann.errors import UserError
from brodmann.figures.accuracy import draw_accuracy
from brodmann.figures.style import domain_colour, save_figure
from brodmann.statistics.accuracy import accuracy_table, imported_accuracies, joined
from brodmann.store.tables import write_frame

TASKS = ["language/npi", "language/wug", "formal/logic", "social/agent"]


@pytest.fixture
def results(tmp_path):
    """Two models; one cell has no aligned item, one is excluded."""
    for model, shares in {"big": [0.995, 0.6, None, 0.2], "small": [0.5, 0.51, 0.52, 0.53]}.items():
        for task, share in zip(TASKS, shares, strict=True):
            record = {
                "both_correct_accuracy": share,
                "clean_accuracy": share,
                "corrupted_accuracy": share,
                "n_items": 200,
                "n_aligned": 0 if share is None else 200,
                "n_both_correct": 0 if share is None else int(200 * share),
                "included": share is not None and share >= 0.6,
                "reason": "because, as it were",
                "items": [],
            }
            path = tmp_path / model / "baseline" / f"{task}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record))
    return tmp_path


@pytest.fixture
def table(results):
    models = ["big", "small"]
    files = [results / model / "baseline" / f"{task}.json" for model in models for task in TASKS]
    return accuracy_table(files, models, TASKS)


def test_csv_holds_every_cell(table, tmp_path):
    write_frame(tmp_path / "t.csv", table)
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [(row["model"], row["task"]) for row in rows] == [
        (model, task) for model in ("big", "small") for task in TASKS
    ]
    assert rows[0]["domain"] == "language" and rows[0]["both_correct_accuracy"] == "0.995"
    assert rows[2]["both_correct_accuracy"] == "" and rows[2]["included"] == "False"
    assert rows[0]["reason"] == "because, as it were"


def test_heatmap_prints_the_values_under_their_tasks(table):
    figure = draw_accuracy(table, controls=["small"])
    axes = figure.axes[0]
    long = draw_accuracy(table.replace("small", "small2-untrained")).axes[0].get_xticklabels()
    assert [label.get_text() for label in long] == ["big", "small2-\nuntrained"]
    # By rows; the cell without aligned items has no number.
    printed = [text.get_text() for text in axes.texts]
    assert printed == ["100", "50", "60", "51", "52", "20", "53"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["npi", "wug", "logic", "agent"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["big", "small\n(control)"]
    strips = [(patch.get_height(), to_hex(patch.get_facecolor()).upper()) for patch in axes.patches]
    lengths = {"language": 2, "formal": 1, "social": 1}
    assert strips == [(n, domain_colour(domain)) for domain, n in lengths.items()]
    assert axes.images[0].get_clim() == (50, 100)
    assert axes.get_xlim() == (-0.5, 1.5) and axes.get_ylim() == (3.5, -0.5)
    strokes = [line for line in axes.lines if np.ptp(line.get_ydata()) > 0]
    assert len(strokes) == 6  # one per excluded cell


def test_figures_are_reproducible_and_keep_their_text(table, tmp_path):
    contents = []
    for name in ("one", "two"):
        paths = [tmp_path / f"{name}.png", tmp_path / f"{name}.pdf"]
        save_figure(draw_accuracy(table), *paths)
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    # Type 42: TrueType text, not outlines.
    assert b"/Type42" in contents[0][1] or b"/CIDFontType2" in contents[0][1]


def test_a_baseline_that_lacks_something_is_named(results):
    path = results / "big" / "baseline" / "language/npi.json"
    for text in ("{}", "[]", json.dumps({"both_correct_accuracy": 0.5})):
        path.write_text(text)
        with pytest.raises(UserError, match=r"npi\.json: is incomplete"):
            accuracy_table([path], ["big"], ["language/npi"])


def test_accuracies_that_were_taken_over_stand_beside_our_own(table, tmp_path):
    """Of these only the share is known; a cell that no table has was not run."""
    files = {name: str(tmp_path / f"{name}.csv") for name in ("a", "b")}
    (tmp_path / "a.csv").write_text(
        "task,both_correct_accuracy\nsocial/agent,0.5\nlanguage/npi,\nformal/logic,0.75\n"
    )
    (tmp_path / "b.csv").write_text("task,both_correct_accuracy\nlanguage/npi,0.125\n")
    taken = imported_accuracies(
        files, {"a": ["social/agent", "language/npi"], "b": ["formal/logic"]}
    )
    shown = taken[["model", "task", "both_correct_accuracy", "included", "reason"]]
    elsewhere = "not in the matrices that were taken over"
    assert shown.to_numpy().tolist() == [
        ["a", "language/npi", None, True, "taken over"],
        ["a", "formal/logic", 0.75, False, elsewhere],
        ["a", "social/agent", 0.5, True, "taken over"],
        ["b", "language/npi", 0.125, False, elsewhere],
        ["b", "formal/logic", None, True, "not known"],
        ["b", "social/agent", None, False, elsewhere],
    ]
    assert taken["clean_accuracy"].isna().all() and taken["domain"].tolist()[1] == "formal"
    both = joined([table, taken], ["b", "big"])
    assert both["model"].tolist() == ["b"] * 4 + ["big"] * 4
    assert both["task"].tolist() == TASKS * 2
    ours = both.set_index(["model", "task"])
    assert ours.loc[("big", "language/npi"), "both_correct_accuracy"] == 0.995
    assert ours.loc[("b", "language/npi"), "both_correct_accuracy"] == 0.125
    missing = ours.loc[("b", "language/wug")]
    assert (missing["included"], missing["reason"]) == (False, "not run")
    assert missing["domain"] == "language" and missing["both_correct_accuracy"] is None
    (tmp_path / "b.csv").write_text("task,both_correct_accuracy\nlanguage/npi,half\n")
    with pytest.raises(UserError, match=r"b\.csv: 'half' is not a share"):
        imported_accuracies(files, {})
