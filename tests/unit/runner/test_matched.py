"""Controls that are as active as what they are compared with: who may be drawn, how often, and what for."""

import numpy as np
import pytest
from scipy.stats import chisquare, spearmanr

from brodmann.circuits.controls import layer_matched
from brodmann.models.population import Population
from brodmann.runner.matched import NEAREST, activation_matched, levels_of


def test_levels_are_steps_of_five_per_cent():
    values = np.exp(0.05 * np.arange(-40, 40))
    assert (levels_of(values) == np.arange(-40, 40)).all()
    # Rounding of another processor moves none of these, and silence has a level, too.
    noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, values.shape)
    assert (levels_of(values * (1 + noise)) == np.arange(-40, 40)).all()
    assert levels_of(np.zeros(3)).tolist() == [levels_of(np.array([1e-30]))[0]] * 3


def test_one_of_the_nearest_is_drawn_each_as_often():
    """Unit 50 of 100 whose levels are their numbers: the ten nearest, by hand."""
    levels = np.stack([np.zeros(100, int), np.arange(100)])
    drawn = [activation_matched([150], levels, seed)[0] for seed in range(3000)]
    units, counts = np.unique(drawn, return_counts=True)
    assert units.tolist() == [145, 146, 147, 148, 149, 151, 152, 153, 154, 155]
    assert len(units) == NEAREST and chisquare(counts).pvalue > 0.001
    assert activation_matched([150], levels, 7) == activation_matched([150], levels, 7)
    # At the end of the range, and beside units that may not be drawn.
    ends = {activation_matched([199], levels, seed)[0][0] for seed in range(300)}
    assert ends == set(range(189, 199))
    left = {activation_matched([199], levels, n, without=[198, 190])[0][0] for n in range(300)}
    assert left == {187, 188, 189, *range(191, 198)}


def test_of_equally_near_units_all_may_be_drawn():
    """So that a unit's place in its layer, or how a tie is broken, says nothing."""
    levels = np.array([[5] + [3] * 30 + [9] * 20 + [7] * 5])
    drawn = [activation_matched([0], levels, seed)[0][0] for seed in range(4000)]
    units, counts = np.unique(drawn, return_counts=True)
    near = [*range(1, 31), *range(51, 56)]  # 3 and 7, two steps off
    assert units.tolist() == near and chisquare(counts).pvalue > 0.001


def test_as_many_of_each_layer_and_none_of_the_circuit():
    dice = np.random.default_rng(1)
    levels = dice.integers(-40, 40, (4, 30))
    units = dice.choice(120, 25, replace=False).tolist()
    drawn, missing = activation_matched(units, levels, "a", 1)
    assert not missing and not set(drawn) & set(units) and drawn == sorted(set(drawn))
    per_layer = [np.bincount(np.array(own) // 30, minlength=4).tolist() for own in (units, drawn)]
    assert per_layer[0] == per_layer[1]
    # A layer that has too few others gives all of them.
    full = list(range(22))
    drawn, missing = activation_matched(full, levels, 0)
    assert drawn == list(range(22, 30)) and missing == 14
    assert activation_matched([], levels, 0) == ([], 0)


@pytest.mark.parametrize("seed", range(3))
def test_harm_that_is_activation_alone_is_matched_and_by_layers_alone_it_is_not(seed):
    """Monte Carlo: a unit's loss costs its activation's logarithm, whatever circuit it belongs to.

    Circuits of active units then look special beside layer-matched units, and not beside these controls.
    """
    dice = np.random.default_rng(seed)
    active = np.exp(dice.normal(0, 1.5, (6, 400)))
    harm, chance = np.log(active).reshape(-1), active.reshape(-1) ** 0.7
    beyond = {"layer": 0, "activation": 0}
    for number in range(60):
        circuit = dice.choice(harm.size, 40, replace=False, p=chance / chance.sum()).tolist()
        drawn = {
            "layer": layer_matched(circuit, Population(*active.shape), seed, number)[0],
            "activation": activation_matched(circuit, levels_of(active), seed, number)[0],
        }
        for kind, units in drawn.items():
            beyond[kind] += int(harm[circuit].mean() > harm[units].mean() + 0.25)
    assert beyond["layer"] > 50 and beyond["activation"] < 10


def test_a_set_with_a_sink_gets_the_most_active_units_there_are():
    """What can be had is told by activations, not by seeds: nothing else is near a sink."""
    activations = np.ones((1, 200))
    activations[0, :20] = np.linspace(2, 4, 20)
    activations[0, 199] = 5000
    drawn = {activation_matched([199], levels_of(activations), n)[0][0] for n in range(200)}
    assert drawn <= set(range(20)) and min(activations[0, unit] for unit in drawn) > 2.8
    order = spearmanr(activations[0, :20], levels_of(activations)[0, :20]).statistic
    assert order == pytest.approx(1, abs=0.02)
