"""Layer-wise composition: hand-computed owners and bins."""

import numpy as np
import pandas as pd
import pytest

from brodmann.errors import UserError
from brodmann.statistics.composition import BINNED_COLUMNS, COLUMNS, binned, composition


def counted(table):
    return {(layer, owner): count for layer, owner, count in table[COLUMNS].itertuples(index=False)}


def test_owners_by_hand():
    """Ten units, 20 %: the 80th percentile lies between the 8th and 9th value, so two units are found."""
    toy = {
        # Mean over the two tasks: 0 0 0 4 -3 | 0 0 0 0 1; the signs cancel in unit (1, 0).
        "language/b": np.array([[0, 0, 0, 4, -2], [9, 0, 0, 0, 1]]),
        "language/a": np.array([[0, 0, 0, 4, -4], [-9, 0, 0, 0, 1]]),
        "social/a": np.array([[0, 0, 0, 5, 1], [2, 0, 0, 0, -6]]),
    }
    table = composition(toy, 20)
    assert list(table.columns) == COLUMNS
    assert list(table["owner"]) == ["language", "social", "shared"] * 2
    # language: (0, 3) and (0, 4); social: (1, 4) and (0, 3).
    assert counted(table) == {
        (0, "language"): 1,
        (0, "social"): 0,
        (0, "shared"): 1,
        (1, "language"): 0,
        (1, "social"): 1,
        (1, "shared"): 0,
    }


def test_ties_at_the_percentile_are_all_found_and_silent_units_never():
    equal = composition({"formal/a": np.ones((1, 8))}, 10)
    assert counted(equal) == {(0, "formal"): 8, (0, "shared"): 0}
    sparse = composition({"formal/a": np.eye(1, 100)}, 50)
    assert counted(sparse) == {(0, "formal"): 1, (0, "shared"): 0}


def test_owners_stand_in_the_order_of_domains():
    """That of every table: language before formal, others by name after the published ones."""
    tasks = ("physical/a", "formal/a", "art/a", "language/a", "social/a")
    table = composition({task: np.ones((1, 2)) for task in tasks}, 10)
    domains = ["language", "formal", "physical", "social", "art", "shared"]
    assert list(table["owner"]) == domains
    assert list(binned([table], bins=1)["owner"]) == domains


def test_places_without_a_unit_are_no_share_of_the_units():
    """A layer of ten units and one of two, in rows of ten: three are a quarter of twelve."""
    strengths = np.zeros((2, 10))
    strengths[0], strengths[1, :2] = np.arange(1, 11), [11, 12]
    found = counted(composition({"formal/a": strengths}, 25, n_units=12))
    assert found[0, "formal"] == 1 and found[1, "formal"] == 2


def test_owners_are_units_of_one_domain():
    random = np.random.default_rng(0)
    toy = {task: random.normal(size=(6, 50)) for task in ("formal/a", "formal/b", "physical/a")}
    table = composition(toy, 10)
    of = {
        domain: np.abs(np.mean([toy[t] for t in toy if t.startswith(domain)], 0))
        for domain in ("formal", "physical")
    }
    found = {domain: values >= np.percentile(values, 90) for domain, values in of.items()}
    shared = found["formal"] & found["physical"]
    total = table.groupby("owner")["count"].sum()
    assert total["shared"] == shared.sum() and total["formal"] == 30 - shared.sum()
    layers = table[table["owner"] == "formal"]["count"].to_numpy()
    assert (layers == (found["formal"] & ~shared).sum(1)).all()


def test_nothing_and_nan():
    assert list(composition({}, 1).columns) == COLUMNS
    assert list(binned([]).columns) == BINNED_COLUMNS and binned([]).empty
    with pytest.raises(UserError, match="formal/a: the attribution holds NaN"):
        composition({"formal/a": np.array([[1.0, np.nan]])}, 1)


def layers(values, owner="formal"):
    return pd.DataFrame({"layer": range(len(values)), "owner": owner, "count": values})


def test_bins_by_hand():
    # 5 layers in 4 bins: 0, 1, 2, 3, min(4, 3); 3 layers: 0, 2, min(4, 3); 1 layer: 0.
    five, three, one = layers([1, 2, 3, 4, 5]), layers([10, 20, 30]), layers([7], "shared")
    table = binned([five, three, one], bins=4)
    assert list(table.columns) == BINNED_COLUMNS
    formal = table[table["owner"] == "formal"]
    assert formal["bin"].tolist() == [0, 1, 2, 3]
    assert formal["count"].tolist() == [11, 2, 23, 39] and formal["layers"].tolist() == [3, 1, 2, 3]
    assert formal["per_layer"].tolist() == pytest.approx([11 / 3, 2, 11.5, 13])
    assert formal["log"].tolist() == pytest.approx(np.log10([11 / 3 + 1, 3, 12.5, 14]))
    shared = table[table["owner"] == "shared"]
    assert shared["count"].tolist() == [7, 0, 0, 0] and shared["layers"].tolist() == [3, 1, 2, 3]


def test_bins_follow_the_definition_at_every_depth():
    for depth in range(2, 130):
        table = binned([layers([1] * depth)])
        places = [min(int(np.floor(25 * n / (depth - 1))), 24) for n in range(depth)]
        assert table["layers"].tolist() == np.bincount(places, minlength=25).tolist()
        assert table.loc[table["layers"] == 0, ["per_layer", "log"]].isna().all().all()
        assert (table.loc[table["layers"] > 0, "per_layer"] == 1).all()
    assert binned([layers([3])])["count"].tolist() == [3] + [0] * 24
