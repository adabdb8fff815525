"""Linked views show what the files of results say: files and expected values are written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from brodmann.atlas import views_data
from brodmann.store.tables import write_table


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
    folder = model / "ablation/neurons/positive-0.1pct/corrupted"
    matched = {"language/npi": [0.0, 0.25], "social/norm_moral": [0.5]}
    _lesions(folder / "physical/speed.csv", "physical/speed", 0.75, matched)
    return tmp_path


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


def test_lesions_of_localizers_are_pooled_over_a_domain_and_stand_by_task(tmp_path: Path) -> None:
    columns = (
        "condition",
        "percentage",
        "seed",
        "kind",
        "measure",
        "task",
        "n",
        "value",
        "low",
        "high",
    )
    rows = [
        ("intact", "", "", "", "accuracy", "formal/a", 10, 1.0, 0.7, 1.0),
        ("intact", "", "", "", "accuracy", "formal/b", 30, 0.5, 0.3, 0.7),
        ("lesion", 1.0, "", "zero", "accuracy", "formal/a", 10, 0.2, 0.1, 0.5),
        ("lesion", 1.0, "", "mean", "accuracy", "formal/a", 10, 0.9, 0.6, 1.0),
        ("intact", "", "", "", "perplexity", "", 6, 35.0, 30.0, 40.0),
    ]
    path = tmp_path / "one/localizer/language/lesion.csv"
    write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    found = views_data.curves(tmp_path, "one")["localizers"]["language"]
    pooled = [row for row in found if row["task"] is None and row["measure"] == "accuracy"]
    # 10 of 10 and 15 of 30; of two kinds of lesion the first.
    assert [(row["condition"], row["n"], row["value"]) for row in pooled] == [
        ("intact", 40, 25 / 40),
        ("lesion", 10, 0.2),
    ]
    own = [row for row in found if row["task"] == "formal/a"]
    assert [(row["value"], row["low"], row["percentage"]) for row in own] == [
        (1, 0.7, None),
        (0.2, 0.1, 1),
    ]
    assert [row["value"] for row in found if row["measure"] == "perplexity"] == [35]


def test_orders_of_units_are_grouped_by_whose_they_are(tmp_path: Path) -> None:
    orders = ("own", "formal/b", "social/c", "random")
    folder = tmp_path / "one/faithfulness"
    columns = ("task", "order", "trial", "sign", "kind", "fraction", "faithfulness")
    rows = [("formal/a", order, 0, "positive", "corrupted", 5, 0.5) for order in orders]
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    write_table(folder / "neurons.relp.csv", table, columns)
    write_table(folder / "neurons.relp.areas.csv", table[:1], columns)
    found = views_data.curves(tmp_path, "one")["faithfulness"]["neurons"]["relp"]
    groups = [row["group"] for row in found["curves"]]
    assert groups == ["own", "same_domain", "other_domains", "random"]
    assert [row["order"] for row in found["areas"]] == ["own"]


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


def test_courses_have_a_value_for_every_token_of_a_piece(tmp_path: Path) -> None:
    columns = ("place", "piece", "tokens", "special", "network", "course")
    rows = [
        (0, "A", 1, 0, "network-0", 1.0),
        (0, "A", 1, 0, "network-1", 2.0),
        (1, "\u00fc", 2, 0, "network-0", 3.0),
        (1, "\u00fc", 2, 0, "network-0", 4.0),
        (1, "\u00fc", 2, 0, "network-1", 5.0),
        (1, "\u00fc", 2, 0, "network-1", 6.0),
    ]
    write_table(
        tmp_path / "one/networks/interpretation/course.news.csv",
        [dict(zip(columns, row, strict=True)) for row in rows],
        columns,
    )
    ((name, found),) = views_data.of_model(tmp_path, "one")
    assert name == "courses.news"
    assert found["texts"] == [{"name": "example", "tokens": ["A", "\u00fc", ""]}]
    assert found["networks"].tolist() == [[1, 3, 4], [2, 5, 6]]


def test_clusters_are_of_the_model_that_is_asked_for(tmp_path: Path) -> None:
    columns = ("model", "component", "sel", "measure", "kind", "task", "domain", "cluster")
    rows = [
        ("one", "neurons", "positive-0.1pct", "jaccard", "", "formal/a", "formal", 2),
        ("one", "neurons", "positive-0.1pct", "jaccard", "", "social/b", "social", 0),
        ("two", "neurons", "positive-0.1pct", "jaccard", "", "social/b", "social", 1),
    ]
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    write_table(tmp_path / "statistics/clusters.csv", table, columns)
    found = views_data.clusters(tmp_path, "one")
    assert found == {"neurons": {"jaccard": {"positive-0.1pct": {"formal/a": 2, "social/b": 0}}}}


def test_a_study_without_a_map_has_no_files(tmp_path: Path) -> None:
    assert list(views_data.of_model(tmp_path, "one")) == []
    found = views_data.summary(tmp_path)
    assert found == {"domains": [], "all": [], "untrained": [], "thresholds": views_data.THRESHOLDS}
