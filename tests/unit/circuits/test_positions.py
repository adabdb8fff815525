"""Scores at more tokens than the last one, against whole sequences with the same sums written out."""

import pytest
from example_items import ITEMS, attribute, item
from reference import naive_attribution, naive_metric, naive_patched_metric
from rounding import assert_same

from brodmann.circuits.attribution import Attributor
from brodmann.circuits.estimators.integrated import Integrated
from brodmann.circuits.positions import watched

TWICE = item("a cat is in", "a dog is up", "ab", "cd")  # differs, is the same, differs, ...
SAME = item("a cat", "a cat", "x", "y")
WANTED = [ITEMS[0], ITEMS[2], ITEMS[5], ITEMS[7], TWICE, SAME]
# By hand; bytes are tokens.
AT = {
    "differing": [[4, 5, 6], [3, 4, 5], [0], [0], [2, 3, 4, 9, 10], [4]],
    "all": [list(range(4, 11)), list(range(3, 12)), [0, 1, 2], [0], list(range(2, 11)), [4]],
}


@pytest.mark.parametrize("positions", AT)
def test_positions_by_hand(positions):
    assert [watched(one, positions) for one in WANTED] == AT[positions]
    assert [watched(one, "last") for one in WANTED] == [[len(one.clean) - 1] for one in WANTED]


@pytest.mark.parametrize(
    ("family", "positions"),
    [("llama", "differing"), ("llama", "all"), ("gpt2", "all"), ("chatglm", "differing")],
)
def test_equals_the_naive_sum(models, family, positions):
    """``all`` against the sum over every position: those before the first difference add nothing."""
    model = models(family)
    found = attribute(model, WANTED, positions=positions)
    for number, it in enumerate(WANTED[:-1]):
        at = range(len(it.clean)) if positions == "all" else AT[positions][number]
        for component in ("neurons", "heads"):
            expected = naive_attribution(model, it, component, positions=at)
            assert_same(found[component, number], expected)
            if it in (ITEMS[0], TWICE):
                last = naive_attribution(model, it, component)
                assert (expected - last).abs().max() > 1e-2 * expected.abs().max()
    assert found["neurons", 5].abs().max() < 1e-5  # both prompts are the same


def test_a_small_tree_and_few_items_at_once_change_nothing(models, monkeypatch):
    items = WANTED[:-1] * 3
    whole = attribute(models("llama"), items, positions="all")
    monkeypatch.setattr("brodmann.circuits.attribution.MOST_SPOTS", 1)
    parts = attribute(models("llama"), items, positions="all", batch_tokens=9)
    for key, values in whole.items():
        assert_same(parts[key], values)


@pytest.mark.parametrize(
    ("family", "positions"), [("llama", "all"), ("llama", "differing"), ("chatglm", "differing")]
)
def test_true_effects_are_of_a_unit_at_all_positions(models, family, positions):
    model = models(family)
    units = [(0, 1), (2, 3), (1, 0)]
    for component in ("neurons", "heads"):
        run = Attributor(model, components=(component,), positions=positions)
        found = run.exact_effects(WANTED, component, units)
        for row in (0, 4, 5):
            it, at = WANTED[row], AT[positions][row]
            for column, unit in enumerate(units):
                effect = naive_patched_metric(model, it, component, [unit], at)
                effect -= naive_metric(model, it)
                assert found[row, column].item() == pytest.approx(effect, rel=1e-3, abs=1e-4)


def test_integrated_gradients_are_complete_at_all_positions(models):
    """A layer's contributions sum to the effect of its clean activations at these positions."""
    model, it = models("llama"), TWICE
    found = attribute(model, [it], estimator=Integrated(60), positions="differing")
    for layer in range(model.n_layers):
        units = [(layer, unit) for unit in range(model.neurons_per_layer)]
        effect = naive_patched_metric(model, it, "neurons", units, AT["differing"][4])
        effect -= naive_metric(model, it)
        total = found["neurons", 0][layer].double().sum().item()
        assert total == pytest.approx(effect, rel=0.05, abs=5e-3)
