"""Which matrices there are, where the contract puts them, and which models an average is over."""

import json
from itertools import product

import pytest

from brodmann.statistics.inventory import Inventory, Matrix

MODELS, SELECTIONS = ("a", "b", "untrained"), ("positive-0.1pct", "absolute-1.0pct")


@pytest.fixture
def inventory():
    """Two components, two sizes; one model of the two has drops, and so has the control."""
    places = list(product(MODELS, ("neurons", "heads"), SELECTIONS))
    overlaps = [Matrix(*place) for place in places]
    drops = [
        Matrix(model, component, SELECTIONS[0], kind)
        for model, component in (("a", "neurons"), ("a", "heads"), ("untrained", "neurons"))
        for kind in ("zero", "mean")
    ]
    return Inventory(tuple(overlaps), tuple(drops), ("untrained",), {"untrained": "a"})


def test_places_are_those_of_the_contract():
    overlap = Matrix("a", "neurons", "positive-0.1pct")
    drop = Matrix("average", "heads", "positive-0.1pct", "zero")
    folder = "results/a/overlap/neurons/positive-0.1pct"
    assert overlap.path() == f"{folder}.containment.csv"
    assert overlap.path("jaccard") == f"{folder}.jaccard.csv"
    assert overlap.count_path("jaccard") == f"{folder}.jaccard.count.csv"
    folder = "results/average/ablation/heads/positive-0.1pct"
    assert drop.path() == f"{folder}.zero.accuracy_drop.csv"
    assert drop.count_path() == f"{folder}.zero.accuracy_drop.count.csv"
    assert overlap.measures == ("containment", "jaccard", "doubly_stochastic")
    assert drop.measures == ("accuracy_drop",)
    assert drop.overlap == Matrix("average", "heads", "positive-0.1pct")


def test_an_average_is_over_models_that_are_no_controls_in_the_same_place(inventory):
    assert [one.group for one in inventory.average_overlaps] == [
        (component, sel, "") for component, sel in product(("neurons", "heads"), SELECTIONS)
    ]
    assert [one.group for one in inventory.average_drops] == [
        (component, SELECTIONS[0], kind)
        for component, kind in product(("neurons", "heads"), ("zero", "mean"))
    ]
    for average in inventory.averages:
        over = inventory.contributing(average)
        assert [one.model for one in over] == (["a"] if average.kind else ["a", "b"])
        assert {(one.component, one.sel, one.kind) for one in over} == {average.group}
    measured = [path for path in inventory.averaged_files if "/overlap/" in path]
    assert len(measured) == 2 * 4 * 3 and len(inventory.averaged_files) == 24 + 4
    assert len(inventory.average_files) == 2 * (4 * 3 + 4)
    assert sum(path.endswith(".count.csv") for path in inventory.average_files) == 16


def test_what_a_control_alone_has_has_no_average(inventory):
    alone = Matrix("untrained", "neurons", SELECTIONS[1], "zero")
    more = Inventory(
        (*inventory.overlaps, Matrix("untrained", "heads", "positive-5.0pct")),
        (*inventory.drops, alone),
        inventory.controls,
    )
    assert more.averages == inventory.averages
    assert alone.path() in more.files


def test_averages_are_tested_where_they_are_of_several_models(inventory):
    assert inventory.several
    assert len(inventory.every) == 12 + 4 + 6 + 4
    assert len(inventory.files) == 3 * (12 + 4) + 6 + 4
    alone = Inventory(
        tuple(one for one in inventory.overlaps if one.model != "b"),
        inventory.drops,
        inventory.controls,
    )
    assert not alone.several and alone.every == (*alone.overlaps, *alone.drops)
    # They are made all the same.
    assert len(alone.files) == 3 * (8 + 4) + 6 + 4


def test_rules_carry_it_as_plain_values(inventory):
    carried = json.loads(json.dumps(inventory.to_params()))
    assert Inventory.from_params(carried) == inventory
