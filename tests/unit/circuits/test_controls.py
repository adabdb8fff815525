"""Ablation against controls: a table summarised by hand."""

import io
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits import orders
from brodmann.circuits.against_controls import (
    COLUMNS,
    GROUPS,
    control_cells,
    control_summary,
    own_against_random,
    paired_p,
)
from brodmann.circuits.controls import layer_matched, size_matched, truly_random
from brodmann.models.population import Population

HEADER = "source,condition,trial,n,k,accuracy,drop,score,ties\n"


def table(*lines):
    """A target's table as it is read from its file: drops only, the rest is filled."""
    rows = [
        f"{source},{kind},{trial},9,5,0.5,{drop},0.5,0\n" for source, kind, trial, drop in lines
    ]
    return pd.read_csv(io.StringIO(HEADER + "".join(rows)))


TABLES = {
    "formal/x": table(("", "intact", 0, 0), ("formal/x", "circuit", 0, 0.9)),
    "language/a": table(
        ("", "intact", 0, 0),
        ("language/a", "circuit", 0, 0.8),
        ("language/a", "layer_matched", 1, 0.1),
        ("language/a", "layer_matched", 2, 0.3),
        ("language/b", "circuit", 0, 0.4),
        ("language/b", "layer_matched", 1, 0.0),
        ("language/b", "layer_matched", 2, 0.2),
        ("formal/x", "circuit", 0, 0.05),
        ("", "random", 1, 0.02),
        ("", "random", 2, 0.04),
    ),
    "language/b": table(
        ("language/a", "circuit", 0, 0.2),
        ("language/b", "circuit", 0, 0.6),
        ("formal/x", "circuit", 0, ""),
        ("", "random", 1, -0.01),
    ),
    "social/none": table(),
}


def test_cells_average_trials():
    cells = control_cells(TABLES).set_index(["target", "source", "group"])["drop"]
    assert cells["language/a", "language/a", "layer_matched"] == pytest.approx(0.2)
    assert cells["language/a", "", "random"] == pytest.approx(0.03)
    assert len(cells) == 1 + 6 + 4
    assert "intact" not in cells.index.get_level_values("group")


def test_summary_by_hand():
    found = control_summary(TABLES)
    assert list(found.columns) == COLUMNS
    # The target without rows (an excluded task) has no domain.
    assert list(dict.fromkeys(found["domain"])) == ["language", "formal", "all"]
    assert list(found["group"]) == [one for one in GROUPS if one != "activation_matched"] * 3
    rows = found.set_index(["domain", "group"])
    expected = {
        ("language", "own"): [0.8, 0.6],
        ("language", "same_domain"): [0.4, 0.2],
        ("language", "other_domains"): [0.05],
        ("language", "layer_matched"): [0.2, 0.1],
        ("language", "random"): [0.03, -0.01],
        ("formal", "own"): [0.9],
        ("formal", "random"): [],
        ("all", "own"): [0.9, 0.8, 0.6],
        ("all", "same_domain"): [0.4, 0.2],
    }
    for place, values in expected.items():
        row = rows.loc[place]
        mean = np.mean(values) if values else np.nan
        sem = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        assert row["n"] == len(values), place
        assert [row["mean"], row["sem"]] == pytest.approx([mean, sem], nan_ok=True), place


def test_without_tables_there_is_no_row():
    for tables in ({}, {"social/none": table()}):
        found = control_summary(tables)
        assert found.empty and list(found.columns) == COLUMNS


def test_own_circuits_beside_their_own_controls():
    found = own_against_random(TABLES).set_index("target")
    assert list(found.index) == ["language/a", "language/b", "formal/x"]
    # Layer-matched draws of the task's own circuit, not of others'.
    assert found.loc["language/a", ["own", "layer_matched", "random"]].tolist() == pytest.approx(
        [0.8, 0.2, 0.03]
    )
    assert np.isnan(found.loc["language/b", "layer_matched"])
    assert found.loc["formal/x", "domain"] == "formal" and np.isnan(found.loc["formal/x", "random"])


def test_controls_that_are_as_active_are_spoken_of_where_there_are_some():
    matched = [("language/a", "activation_matched", n, n / 10) for n in (1, 2)]
    other = ("language/b", "activation_matched", 1, 0.5)
    more = {**TABLES, "language/a": pd.concat([TABLES["language/a"], table(*matched, other)])}
    assert "activation_matched" not in own_against_random(TABLES)
    own = own_against_random(more).set_index("target")["activation_matched"]
    assert own["language/a"] == pytest.approx(0.15) and np.isnan(own["formal/x"])
    rows = control_summary(more).set_index(["domain", "group"])
    assert rows.loc[("language", "activation_matched"), "mean"] == pytest.approx((0.15 + 0.5) / 2)
    assert set(rows.index.get_level_values("group")) == set(GROUPS)


def test_paired_p():
    some = pd.Series([1.0, 2.0, 3.0, np.nan])
    assert paired_p(some, some * 0) == pytest.approx(0.25)  # 2 of 8 patterns of signs
    assert paired_p(some, some) == 1.0
    assert np.isnan(paired_p(some * np.nan, some))
    # 0.2 less the mean of 0.1, 0.2 and 0.3, in another order for each task, is nothing.
    means = pd.Series([np.mean(draws) for draws in permutations((0.1, 0.2, 0.3))])
    assert means.nunique() > 1 and paired_p(means * 0 + 0.2, means) == 1.0


def test_layers_that_have_fewer_units_give_none_that_they_lack():
    """A mixture's blocks without experts have fewer neurons than the widest."""
    lacking, circuit = Population.of(2, 64, (16, 64)), [*range(10), 64, 65]
    for trial in range(20):
        drawn, missing = layer_matched(circuit, lacking, trial)
        assert missing == 4 and [unit for unit in drawn if unit < 64] == list(range(10, 16))
        assert sum(unit >= 64 for unit in drawn) == 2
    # Where all are as wide, draws are those without.
    full = Population(2, 64)
    assert layer_matched(circuit, Population.of(2, 64, (64, 64)), 1) == layer_matched(
        circuit, full, 1
    )
    gone = set(range(16, 64))
    assert lacking.absent.tolist() == sorted(gone) and len(lacking) == 80
    assert [lacking.number(lacking.nth(n)) for n in range(80)] == list(range(80))
    drawn = [set(truly_random(40, lacking, trial)) for trial in range(50)]
    assert not gone & set().union(*drawn) and len(set().union(*drawn)) == 80
    drawn = [set(size_matched(circuit, lacking, trial)) for trial in range(50)]
    assert not any((gone | set(circuit)) & own for own in drawn) and len(set().union(*drawn)) == 68
    # Orders do not hold them; where nothing is lacking, they are as they were.
    scores = np.random.default_rng(0).normal(size=(2, 64))
    scores.reshape(-1)[lacking.absent] = 0
    own = orders.ranked(scores, "positive", lacking)
    there = sorted(set(range(128)) - gone)
    assert sorted(own) == there and (np.diff(scores.reshape(-1)[own]) <= 0).all()
    for trial in range(20):
        matched = orders.layer_matched(own, lacking, trial)
        np.testing.assert_array_equal(matched // 64, own // 64)
        assert sorted(matched) == sorted(orders.at_random(lacking, trial)) == there
    np.testing.assert_array_equal(
        orders.ranked(scores, "positive", full), orders.ranked(scores, "positive")
    )


def test_draws_of_models_whose_layers_are_all_full_stay_what_they_are():
    """Studies name their stored lesions by these units: the numbers are those of the version before."""
    full, circuit = Population(2, 40), [1, 2, 45]
    assert layer_matched(circuit, full, 0, "m") == ([3, 36, 65], 0)
    assert truly_random(5, full, 0, "m") == [2, 59, 67, 72, 73]
    assert size_matched(circuit, full, 0, "m") == [15, 57, 59]
    small, order = Population(2, 4), np.array([5, 1, 0, 4, 2, 3, 7, 6])
    assert orders.at_random(small, 0, "m").tolist() == [7, 5, 0, 1, 4, 6, 3, 2]
    assert orders.layer_matched(order, small, 0, "m").tolist() == [7, 1, 3, 5, 2, 0, 6, 4]
