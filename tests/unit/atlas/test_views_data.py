"""Linked views show what the files of results say: files and expected values are written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brodmann.atlas import views_data
from brodmann.store.tables import write_matrix, write_table

TASKS = ["language/npi", "physical/speed", "social/norm_moral"]


def _matrix(path: Path, values: list[list[float]], tasks: list[str] = TASKS) -> None:
    write_matrix(path, pd.DataFrame(values, index=tasks, columns=tasks))


def _lesions(path: Path, target: str, own: float, matched: dict[str, list[float]]) -> None:
    rows = [("", "intact", 0, 8, 1.0, 0.0), (target, "circuit", 0, 8, 1 - own, own)]
    rows += [
        (source, "layer_matched", trial, 8, 1 - drop, drop)
        for source, drops in matched.items()
        for trial, drop in enumerate(drops, 1)
    ]
    rows.append(("", "random", 1, 8, 0.875, 0.125))
    columns = ("source", "condition", "trial", "n", "accuracy", "drop")
    table = [dict(zip(columns, row, strict=True)) | {"score": 1 - row[-1]} for row in rows]
    write_table(path, table, (*columns, "score"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    model = tmp_path / "one"
    # A matrix of a part of the tasks, in another order.
    _matrix(
        model / "overlap/neurons/positive-0.1pct.containment.csv",
        [[1, 0.2], [0.4, 1]],
        TASKS[1::-1],
    )
    _matrix(model / "overlap/neurons/positive-0.1pct.containment.count.csv", [[7] * 3] * 3)
    _matrix(
        model / "ablation/neurons/positive-0.1pct.corrupted.accuracy_drop.csv", np.eye(3).tolist()
    )
    _matrix(model / "ablation/neurons/positive-0.1pct.forecast.csv", [[9] * 3] * 3)
    folder = model / "ablation/neurons/positive-0.1pct/corrupted"
    matched = {"language/npi": [0.0, 0.25], "social/norm_moral": [0.5]}
    _lesions(folder / "physical/speed.csv", "physical/speed", 0.75, matched)
    write_table(
        model / "overlap/neurons/positive-0.1pct.reliability.csv",
        [
            {
                "task": "language/npi",
                "n_items": 30,
                "n_circuit": 46,
                "split_jaccard": 0.5,
                "seed_jaccard": "",
            }
        ],
        ("task", "n_items", "n_circuit", "split_jaccard", "seed_jaccard"),
    )
    write_table(
        model / "overlap/neurons/positive-0.1pct.stability.csv",
        [
            {
                "task": "language/npi",
                "n_items": 30,
                "n_circuit": 46,
                "jaccard": 0.6,
                "low": 0.4,
                "high": 0.7,
            }
        ],
        ("task", "n_items", "n_circuit", "jaccard", "low", "high"),
    )
    return tmp_path


def test_matrices_have_one_order_of_tasks_and_nan_where_a_file_has_none(results: Path) -> None:
    found = views_data.matrices(results, "one")
    assert found["tasks"] == TASKS
    assert list(found["overlap"]) == ["containment"]
    assert list(found["ablation"]["neurons"]["positive-0.1pct"]["corrupted"]) == ["accuracy_drop"]
    values = found["overlap"]["containment"]["neurons"]["positive-0.1pct"]
    expected = [[1, 0.4, np.nan], [0.2, 1, np.nan], [np.nan] * 3]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert values.dtype == np.float32


def test_controls_are_means_over_draws_and_circuits(results: Path) -> None:
    own = views_data.matrices(results, "one")["lesions"]["neurons"]["positive-0.1pct"]["corrupted"]
    assert own["n"].tolist() == [0, 8, 0]
    np.testing.assert_array_equal(own["intact"], [np.nan, 1, np.nan])
    assert [row["condition"] for row in own["rows"]] == ["layer_matched", "random"]
    layers, random = own["rows"]
    assert (layers["trials"], random["trials"]) == (2, 1)
    np.testing.assert_allclose(
        layers["accuracy_drop"], [np.nan, 0.25, np.nan]
    )  # (0 + 1/4 + 1/2) / 3
    np.testing.assert_allclose(random["score"], [np.nan, 0.875, np.nan])
    np.testing.assert_allclose(own["matched"][:, 1], [0.125, np.nan, 0.5])


def test_reliability_joins_halves_and_bootstraps(results: Path) -> None:
    (row,) = views_data.matrices(results, "one")["reliability"]["neurons"]["positive-0.1pct"]
    assert (row["split_jaccard"], row["seed_jaccard"], row["jaccard"]) == (0.5, None, 0.6)
    assert (row["low"], row["high"], row["n_items"], row["n_circuit"]) == (0.4, 0.7, 30, 46)


def test_doses_of_circuits_are_of_domains_and_of_each_task(results: Path) -> None:
    rows = views_data.curves(results, "one")["circuits"]
    of_task = {row["group"]: row for row in rows if row["task"] == "physical/speed"}
    assert set(of_task) == {"own", "layer_matched", "random"}
    assert (of_task["own"]["mean"], of_task["own"]["n"], of_task["own"]["percent"]) == (
        0.75,
        1,
        0.1,
    )
    # Two circuits have controls on the task: the first one's draws count as one cell.
    assert of_task["layer_matched"]["mean"] == pytest.approx((0.125 + 0.5) / 2)
    assert of_task["layer_matched"]["n"] == 2
    assert {row["domain"] for row in rows if row["task"] is None} == {"physical", "all"}


def test_networks_stand_beside_as_many_random_units(tmp_path: Path) -> None:
    folder = tmp_path / "one/networks"
    sizes = (
        "dataset",
        "level",
        "sample",
        "network",
        "n_units",
        "percent",
        "explained",
        "stability",
    )
    rows = [
        ("news", "group", "", 0, 20, 1.0, 0.1, 0.9),
        ("news", "individual", 3, 0, 5, 0.2, 0.1, 0.9),
    ]
    write_table(folder / "sizes.csv", [dict(zip(sizes, row, strict=True)) for row in rows], sizes)
    layers = ("dataset", "level", "template", "layer", "n_units")
    counted = [
        ("news", "group", 0, 0, 5),
        ("news", "group", 0, 1, 15),
        ("news", "individual", 0, 0, 9),
    ]
    write_table(
        folder / "layers.csv", [dict(zip(layers, row, strict=True)) for row in counted], layers
    )
    edits = (
        "dataset",
        "condition",
        "control_of",
        "how",
        "metric",
        "n",
        "value",
        "low",
        "high",
        "intact",
    )
    silenced = [
        ("news", "network-0", "", "inhibit", "perplexity", 6, 90.0, 80.0, 99.0, 30.0),
        ("news", "random", "network-0", "inhibit", "perplexity", 6, 31.0, 29.0, 33.0, 30.0),
        ("news", "random", "network-0", "inhibit", "perplexity", 6, 33.0, 31.0, 35.0, 30.0),
        ("news", "network-0", "", "multiply", "perplexity", 6, 1.0, 1.0, 1.0, 30.0),
        ("other", "network-0", "", "inhibit", "perplexity", 6, 2.0, 2.0, 2.0, 30.0),
    ]
    write_table(
        folder / "editing.csv", [dict(zip(edits, row, strict=True)) for row in silenced], edits
    )
    found = views_data.nets(tmp_path, "one")
    (row,) = found["rows"]
    assert (row["silenced"]["value"], row["silenced"]["low"], row["silenced"]["intact"]) == (
        90,
        80,
        30,
    )
    assert [draw["value"] for draw in row["random"]] == [31, 33]
    assert row["random"][0] == {"value": 31, "low": 29, "high": 33, "n": 6}
    assert found["layers"]["news"].tolist() == [[5, 15]]


def test_a_study_without_a_map_has_empty_fields(tmp_path: Path) -> None:
    found = [views_data.summary(tmp_path)]
    found += [
        make(tmp_path, "one") for make in (views_data.matrices, views_data.curves, views_data.nets)
    ]
    assert json.loads(json.dumps(found, allow_nan=False)) == [
        {"domains": [], "all": [], "untrained": []},
        {
            "tasks": [],
            "overlap": {},
            "ablation": {},
            "lesions": {},
            "clusters": {},
            "reliability": {},
        },
        {"circuits": [], "localizers": {}, "faithfulness": {}},
        {"rows": [], "layers": {}, "driving": []},
    ]
