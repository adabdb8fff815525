"""Order, bins, domains and ranks of units, against closed forms and naive loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from brodmann.atlas import circuits as files
from brodmann.atlas.bins import binned, cells
from brodmann.atlas.circuits import Circuits
from brodmann.atlas.contract import Circuit
from brodmann.atlas.order import domain_order, shares

DOMAINS = ["language", "formal"]


def test_order_is_by_domain_then_task_then_share():
    """Two tasks of the first domain, one of the second; one layer of six units, and a silent one."""
    scores = np.array(
        [
            #   0     1    2    3    4    5    6
            [[-4.0, 1.0, 0.0, 0.0, 3.0, 0.0, 0.0]],  # of 8
            [[0.0, 2.0, 0.0, 4.0, 2.0, 0.0, 0.0]],  # of 8
            [[0.0, 0.0, 6.0, 0.0, 0.0, -2.0, 0.0]],  # of 8
        ],
        dtype=np.float32,
    )
    # First domain: 0 (task 0, 4/8), 4 (task 0, 3/8), 3 (task 1, 4/8), 1 (task 1, 2/8); second: 2, 5; then 6.
    assert domain_order(scores, np.array([0, 0, 1])).domain.tolist() == [[0, 4, 3, 1, 2, 5, 6]]


def test_a_domain_of_many_tasks_has_no_more_units_for_that():
    """Its tasks' shares are averaged, not added: unit 0 carries less of its two tasks than of the third."""
    scores = np.array([[[3.0, 7.0]], [[3.0, 7.0]], [[5.0, 5.0]]], dtype=np.float32)
    # Shares of unit 0: 0.3 in both tasks of the first domain (mean 0.3), 0.5 in the second.
    order = domain_order(scores, np.array([0, 0, 1]))
    assert order.domain.tolist() == [[1, 0]]
    # The scale of a task does not matter.
    scaled = scores * np.array([1, 1000, 0.001], dtype=np.float32)[:, None, None]
    assert domain_order(scaled, np.array([0, 0, 1])).domain.tolist() == [[1, 0]]


def test_shares_are_exact_fractions_whatever_the_scale_and_the_order_of_units():
    """Against rational numbers; nothing of a task without attribution."""
    dice = np.random.default_rng(5)
    scores = (dice.standard_t(2, (3, 50)) * 1e-30).astype(np.float32)
    found = shares(scores)
    exact = [abs(Fraction(float(one))) for one in scores.reshape(-1)]
    whole = sum(exact)
    for own, one in zip(found.reshape(-1).tolist(), exact, strict=True):
        assert abs(Fraction(own, 2**40) - one / whole) < Fraction(80, 2**40)
    mixed = dice.permutation(scores.size)
    again = shares(scores.reshape(-1)[mixed].reshape(3, 50)).reshape(-1)
    assert (again == found.reshape(-1)[mixed]).all()
    assert not shares(np.zeros((2, 3), np.float32)).any()


def test_equal_units_stand_by_their_index_and_every_layer_is_a_permutation():
    scores = np.tile(np.array([1.0, 0.0, 1.0, 1.0], dtype=np.float32), (2, 3, 1))
    found = domain_order(scores, np.array([0, 1])).domain
    assert found.tolist() == [[0, 2, 3, 1]] * 3
    dice = np.random.default_rng(0)
    found = domain_order(dice.normal(size=(5, 4, 90)).astype(np.float32), np.array([0, 0, 1, 2, 2]))
    assert (np.sort(found.domain, axis=1) == np.arange(90)).all()


@pytest.mark.parametrize("width", [12, 13])
def test_bins_hold_what_a_loop_finds(width):
    dice = np.random.default_rng(width)
    scores = dice.normal(size=(2, width)).astype(np.float32)
    members = dice.random((2, width)) < 0.3
    order = np.array([dice.permutation(width) for _ in range(2)])
    for ordered in (None, order):
        found = binned(scores, members, 5, ordered)
        assert (found.width, found.size) == (3, 5)
        for layer in range(2):
            place = list(range(width)) if ordered is None else ordered[layer].tolist()
            for cell in range(3):
                units = place[5 * cell : 5 * cell + 5]
                own = [float(scores[layer, unit]) for unit in units]
                assert found.max[layer, cell] == max(own, key=abs)
                assert found.mean[layer, cell] == pytest.approx(sum(own) / len(own), rel=1e-5)
                assert found.count[layer, cell] == sum(bool(members[layer, unit]) for unit in units)
                assert found.positive[layer, cell] == sum(one > 0 for one in own)
                assert found.negative[layer, cell] == sum(one < 0 for one in own)


def test_a_layer_has_at_most_as_many_cells_as_a_screen():
    assert [cells(width) for width in (9, 2048, 2049, 28672)] == [1, 1, 2, 14]
    assert -(-28672 // cells(28672)) == 2048


def circuits(dice: np.random.Generator, width: int = 11) -> Circuits:
    scores = np.round(dice.normal(size=(3, 2, width)), 1).astype(np.float32)  # with equal ones
    main = {
        task: Circuit(np.array(units, dtype=np.int32), np.zeros(len(units), np.float32))
        for task, units in {"language/a": [0, 3], "language/b": [3], "formal/c": [3, width]}.items()
    }
    return Circuits(["language/a", "language/b", "formal/c"], scores, main, DOMAINS)


def test_ranks_are_those_of_a_sorted_list():
    own = circuits(np.random.default_rng(1))
    for row, scores in enumerate(own.scores):
        flat = scores.reshape(-1).tolist()
        best = sorted(range(len(flat)), key=lambda unit: (-flat[unit], unit))
        for layer in range(2):
            found = own.layer(layer)
            assert found.tasks == own.tasks and (found.scores[row] == scores[layer]).all()
            wanted = [best.index(layer * 11 + unit) + 1 for unit in range(11)]
            assert found.ranks[row].tolist() == wanted


def test_domains_of_units_by_shares_and_by_circuits():
    own = circuits(np.random.default_rng(2))
    found = own.domain_map()
    size = np.abs(own.scores.astype(np.float64))
    share = size / size.sum((1, 2), keepdims=True)
    language, formal = share[:2].mean(0), share[2]
    assert (found.dominant == (formal > language)).all()
    largest = np.maximum(language, formal)
    assert found.share == pytest.approx(largest / (language + formal), rel=1e-5)
    assert found.strength == pytest.approx((language + formal) / (2 / 22), rel=1e-5)
    assert found.circuits[:, 0, 0].tolist() == [1, 0]
    assert found.circuits[:, 0, 3].tolist() == [2, 1] and found.circuits[:, 1, 0].tolist() == [0, 1]
    assert found.circuits.sum() == 5 and found.domain_order is None


def test_a_unit_of_no_attribution_has_no_domain():
    own = Circuits(["language/a"], np.zeros((1, 2, 3), np.float32), {}, DOMAINS)
    assert (own.domain_map().dominant == 255).all() and not own.domain_map().strength.any()
    assert own.order.domain.tolist() == [[0, 1, 2]] * 2


def test_large_models_are_binned_in_both_orders(monkeypatch):
    """Cells in the domains' order are those of the units that stand there."""
    monkeypatch.setattr(files, "MOST_UNITS", 20)
    monkeypatch.setattr("brodmann.atlas.bins.MOST_CELLS", 4)
    own = circuits(np.random.default_rng(3))
    assert own.binned and own.bin == 3
    (_, first), *_ = own.task_scores()
    assert first.scores is None and first.bins.width == first.domain_bins.width == 4
    order = own.order.domain
    for layer in range(2):
        units = order[layer, 3:6]
        values = own.scores[0, layer, units]
        assert first.domain_bins.max[layer, 1] == values[np.abs(values).argmax()]
    found = own.domain_map()
    assert found.size == 3 and found.dominant.shape == (2, 4)
    assert found.circuits.sum() == found.domain_order.circuits.sum() == 5
