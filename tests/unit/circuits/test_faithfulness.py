"""Orders of units, curves and their areas, against numbers made by hand and naive resampling."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from brodmann.circuits import orders
from brodmann.circuits.enough import Beside, by_group, chosen, lent
from brodmann.circuits.faithfulness import Answers, Curve, cmd, cpr
from brodmann.circuits.orders import Beginning
from brodmann.circuits.stages.faithfulness import FaithfulnessStage
from brodmann.config.faithfulness import FaithfulnessSettings
from brodmann.models.population import Population


def test_units_are_ranked_by_sign():
    """Equal scores stand in the order of layers and units."""
    attribution = np.array([[0.5, -2.0, 0.5], [0.0, 1.0, -0.1]], np.float32)
    assert orders.ranked(attribution, "positive").tolist() == [4, 0, 2, 3, 5, 1]
    assert orders.ranked(attribution, "absolute").tolist() == [1, 4, 0, 2, 5, 3]
    attribution[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        orders.ranked(attribution, "positive")


def test_random_orders_hold_every_unit_once_and_depend_on_their_seed():
    found = orders.at_random(Population(4, 15), 0, "m", "language/npi", 1)
    assert sorted(found) == list(range(60)) and found.dtype == np.int32
    assert found.tolist() == orders.at_random(Population(4, 15), 0, "m", "language/npi", 1).tolist()
    assert found.tolist() != orders.at_random(Population(4, 15), 0, "m", "language/npi", 2).tolist()
    # The first unit is any of them.
    first = [int(orders.at_random(Population(1, 5), trial)[0]) for trial in range(500)]
    assert min(np.bincount(first, minlength=5)) > 60


def test_layer_matched_orders_have_the_layers_of_the_own_order_at_every_size():
    own = orders.ranked(np.random.default_rng(0).normal(size=(4, 15)), "positive")
    found = orders.layer_matched(own, Population(4, 15), 3)
    assert sorted(found) == list(range(60))
    assert (found // 15).tolist() == (own // 15).tolist()
    assert found.tolist() != own.tolist()
    # Of a layer of five units, each is the first as often.
    own = np.arange(10, dtype=np.int32)
    first = [int(orders.layer_matched(own, Population(2, 5), trial)[5]) for trial in range(500)]
    assert min(np.bincount(first, minlength=10)[5:]) > 60


def test_circuits_begin_orders():
    assert [orders.size(percent, 150) for percent in (0, 0.1, 1, 2, 50, 100)] == [
        0,
        1,
        1,
        3,
        75,
        150,
    ]
    one, other = np.array([3, 1, 0, 2]), np.array([1, 3, 2, 0])
    there = Population(2, 2)
    assert (
        Beginning.of(one, 2, there) == Beginning.of(other, 2, there) != Beginning.of(one, 3, there)
    )
    assert hash(Beginning.of(one, 2, there)) == hash(Beginning.of(other, 2, there))
    assert Beginning.of(one, 2, there).mask.tolist() == [[False, True], [False, True]]
    assert Beginning.of(one, 4, there).whole and not Beginning.of(one, 0, there).mask.any()
    # Models of other sizes have other circuits, even where bits are filled up.
    three = Beginning.of(np.arange(3), 2, Population(1, 3))
    assert three != Beginning.of(np.arange(4), 2, Population(1, 4))


def test_areas_by_hand():
    shares = np.array([0.0, 0.5, 1.0])
    curve = np.array([0.0, 1.2, 1.0])
    # Triangles and trapezoids: 0.5 * 1.2 / 2 + 0.5 * 2.2 / 2; 0.5 * 1.2 / 2 + 0.5 * 0.2 / 2.
    assert cpr(shares, curve) == pytest.approx(0.85)
    assert cmd(shares, curve) == pytest.approx(0.35)
    # A curve that hinders counts against CPR, and doubly for CMD.
    assert cpr(shares, -curve) == pytest.approx(-0.85)
    assert cmd(shares, -curve) == pytest.approx(0.5 * 3.2 / 2 + 0.5 * 4.2 / 2)
    # The benchmark's sizes, a step at 10 %.
    sizes = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]) / 100
    step = (sizes >= 0.1).astype(float)
    assert cpr(sizes, step) == pytest.approx(0.9 + 0.05 / 2)
    assert cmd(sizes, step) == pytest.approx(0.05 - 0.001 + 0.05 / 2)
    assert cpr(sizes, np.ones(10)) == pytest.approx(0.999) and cmd(sizes, np.ones(10)) == 0


def test_intervals_resample_metric_and_contrast_alike():
    dice = np.random.default_rng(1)
    clean, corrupted = dice.normal(3, 1, 20), dice.normal(-3, 1, 20)
    lists = [dice.integers(20, size=20) for _ in range(50)]
    weights = np.stack([np.bincount(drawn, minlength=20) / 20 for drawn in lists])
    answers = Answers(clean, corrupted, weights, unnormalised=False)
    metrics = [corrupted, 0.25 * clean + 0.75 * corrupted, dice.normal(2.5, 1, 20), clean]
    curve = Curve.of((0, 1, 10, 100), (0, 1, 12, 120), metrics, answers)
    assert curve.faithfulness[[0, 1, 3]] == pytest.approx([0, 0.25, 1])
    for number, drawn in enumerate(lists):
        floor, top = corrupted[drawn].mean(), clean[drawn].mean()
        expected = [(own[drawn].mean() - floor) / (top - floor) for own in metrics]
        assert curve.resampled[number] == pytest.approx(expected)
    # What is a share of the same items does not vary.
    assert curve.intervals[1] == pytest.approx((0.25, 0.25))
    low, high = curve.intervals[2]
    assert low < curve.faithfulness[2] < high
    areas = curve.areas()
    assert areas["cpr_low"] < areas["cpr"] < areas["cpr_high"]
    assert areas["cpr"] == pytest.approx(cpr(np.array([0, 0.01, 0.1, 1]), curve.faithfulness))
    assert curve.enough == (2 if curve.faithfulness[2] >= 0.9 else 3)
    plain = Answers(clean, corrupted, weights, unnormalised=True)
    assert plain.normalised(metrics[2]) == pytest.approx(metrics[2].mean())


def test_lists_without_a_contrast_have_no_faithfulness():
    clean, corrupted = np.array([1.0, 3.0]), np.array([1.0, 0.0])
    answers = Answers(clean, corrupted, np.array([[1.0, 0.0], [0.0, 1.0]]), unnormalised=False)
    assert np.isnan(answers.resampled(clean)[0]) and answers.resampled(clean)[1] == 1


@pytest.mark.parametrize("without", [2, 3])
def test_lists_without_a_contrast_may_have_any_faithfulness(without):
    """Of a hundred lists, whose items are three: in some there is nothing to be a share of."""
    clean, corrupted, metric = np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    weights = np.tile([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], (50, 1))
    weights[:without] = 0, 0, 1
    curve = Curve.of((0, 100), (0, 9), [metric, clean], Answers(clean, corrupted, weights, False))
    areas = curve.areas()
    if without > 2:  # more than 2.5 %
        assert np.isnan(curve.intervals).all() and np.isnan(areas["cmd_low"])
    else:
        # Shares of 1 / 3 and of 1 / 2; trapezoids from there to 1.
        assert curve.intervals[0] == pytest.approx((1 / 3, 1 / 2))
        assert (areas["cpr_low"], areas["cpr_high"]) == pytest.approx((2 / 3, 3 / 4))


def test_a_single_item_has_no_interval():
    """Every list that is drawn of it is the same, which says nothing of other items."""
    one = np.array([2.0])
    answers = Answers(one, -one, np.ones((20, 1)), unnormalised=False)
    curve = Curve.of((0, 100), (0, 9), [np.array([1.0]), one], answers)
    assert curve.faithfulness.tolist() == [0.75, 1.0]
    assert np.isnan(curve.intervals).all()
    found = curve.areas()
    assert found["cpr"] == pytest.approx(0.875) and np.isnan(found["cpr_low"])


def areas(**more):
    """Two tasks of a domain, one of another; each with its own order, random ones, and some of others."""
    lines = [
        ("language/a", "own", 0, "positive", 0.9),
        ("language/b", "own", 0, "positive", 0.7),
        ("formal/c", "own", 0, "positive", 0.8),
        ("language/a", "language/b", 0, "positive", 0.6),
        ("language/a", "formal/c", 0, "positive", 0.2),
        ("formal/c", "language/a", 0, "positive", 0.3),
        ("formal/c", "language/b", 0, "positive", 0.5),
        ("language/a", "random", 1, np.nan, 0.1),
        ("language/a", "random", 2, np.nan, 0.3),
        ("language/a", "own", 0, "absolute", 0.0),
    ]
    table = pd.DataFrame(lines, columns=["task", "order", "trial", "sign", "cpr"])
    return table.assign(kind="corrupted", **more)


def test_orders_are_compared_over_the_tasks_that_have_both():
    rows = chosen(areas(), "positive", "corrupted")
    tasks = by_group(rows, "cpr")
    assert list(tasks.index) == ["language/a", "language/b", "formal/c"]
    assert tasks.loc["language/a", "random"] == pytest.approx(0.2)
    assert tasks.loc["formal/c", "other_domains"] == pytest.approx(0.4)
    assert tasks["layer_matched"].isna().all()
    found = Beside.of(tasks, "other_domains")
    assert (found.n, found.own, found.other) == (2, pytest.approx(0.85), pytest.approx(0.3))
    assert found.low == pytest.approx(0.4) and found.high == pytest.approx(0.7)
    assert Beside.of(tasks, "layer_matched").n == 0
    assert Beside.of(tasks, "own").difference == 0


def test_orders_that_are_lent_to_several_tasks_are_drawn_like_tasks():
    """Means over lists of drawn tasks, loop by loop: a lender counts as often as it is drawn."""
    dice = np.random.default_rng(4)
    names = [f"{domain}/{n}" for domain in ("language", "formal") for n in range(4)]
    lines = [(task, "own", "own", dice.normal()) for task in names[:6]]
    lines += [
        (task, other, "other_domains", dice.normal() + names.index(other))
        for task in names[:6]
        for other in dice.permutation([n for n in names if n[0] != task[0]])[:2]
    ]
    table = pd.DataFrame(lines, columns=["task", "order", "group", "cpr"])
    found = Beside.of(by_group(table, "cpr"), "other_domains", lent(table, "other_domains", "cpr"))
    own = {task: value for task, _, group, value in lines if group == "own"}
    values = {(task, order): v for task, order, group, v in lines if group != "own"}
    means = []
    for drawn in dice.integers(8, size=(4000, 8)).tolist():
        several = [names[n] for n in drawn]
        differences = []
        for task in several:
            others = [values[task, other] for other in several if (task, other) in values]
            if task in own and others:
                differences.append(own[task] - sum(others) / len(others))
        if differences:
            means.append(sum(differences) / len(differences))
    low, high = np.quantile(means, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.04 * (high - low))
    # The mean itself is over tasks, each of them with the mean of its lenders.
    each = [own[t] - np.mean([v for (one, _), v in values.items() if one == t]) for t in own]
    assert found.difference == pytest.approx(np.mean(each)) and found.n == 6


def test_a_single_task_beside_orders_that_are_lent_has_no_interval():
    rows = chosen(areas(), "positive", "corrupted")
    found = Beside.of(by_group(rows, "cpr"), "same_domain", lent(rows, "same_domain", "cpr"))
    assert found.n == 1 and found.difference == pytest.approx(0.3)
    assert np.isnan([found.low, found.high]).all()


def lenders(task, **settings):
    """Of a study whose task language/b is excluded."""
    selected = ("language/a", "language/b", "language/c", "language/d", "formal/e", "formal/f")
    study = SimpleNamespace(
        faithfulness=FaithfulnessSettings(**settings), tasks=SimpleNamespace(selected=selected)
    )
    ranked = {("neurons", one, "positive"): np.arange(4) for one in selected}
    ranked["neurons", "language/b", "positive"] = None
    return FaithfulnessStage(study, None, Path(), _ranked=ranked).lenders("neurons", task)


def test_other_tasks_lend_their_orders():
    every = ["language/c", "language/d", "formal/e", "formal/f"]
    assert lenders("language/a", same_domain="all", other_domains="all") == every
    assert lenders("language/a", same_domain=7, other_domains=0) == every[:2]
    assert lenders("formal/e", same_domain=0, other_domains=0) == []
    # More of them are the same ones and others; which are drawn depends on task and seed.
    one, two = (lenders("language/a", same_domain=0, other_domains=n) for n in (1, 2))
    assert set(one) < set(two) == {"formal/e", "formal/f"}
    drawn = {lenders("language/a", same_domain=1, other_domains=0, seed=n)[0] for n in range(20)}
    assert drawn == {"language/c", "language/d"}
