"""How active units are on a target, and the lesions that are drawn by it."""

from types import SimpleNamespace

import numpy as np
import pytest
from example_items import ITEMS
from naive_sites import naive_activations
from rounding import assert_same

from brodmann.circuits.ablation import Ablator
from brodmann.circuits.stages.ablation import Circuits
from brodmann.circuits.stages.activity import Activity, _measured, activity_works
from brodmann.config.ablation import AblationSettings
from brodmann.models.population import Population
from brodmann.runner.engine import Engine
from brodmann.sites import COMPONENTS


def naive(model, component):
    """Of every unit the mean of |a| over a prompt's positions, then over items; of a head, over its own."""
    each = []
    for item in ITEMS:
        values = naive_activations(model, list(item.clean), COMPONENTS[component]).abs().mean(1)
        if component == "heads":
            values = values.reshape(model.n_layers, -1, model.head_dim).mean(-1)
        each.append(values.numpy())
    return np.mean(each, axis=0)


@pytest.mark.parametrize("component", ["neurons", "heads"])
def test_activity_is_that_of_plain_transformers(models, component):
    from safetensors.numpy import load

    model = models("llama")
    bench = SimpleNamespace(
        model=model, engine=Engine(model), encoded=lambda _: ITEMS, made_with={}
    )
    found = load(_measured(bench, target=None, component=component))["activations"]
    assert_same(found, naive(model, component))
    if component == "neurons":  # whose signs cancel in a mean
        signed = Ablator(model, component=component).mean_activations(ITEMS)
        assert (found >= 0.99 * np.abs(signed)).all() and found.sum() > 1.5 * np.abs(signed).sum()
    # What a lesion's units are like.
    activity = Activity(found)
    units = [0, found.shape[1], found.size - 1]
    assert activity.mean(units) == pytest.approx(np.mean([found.reshape(-1)[n] for n in units]))
    assert np.isnan(activity.mean(()))


def test_lines_are_as_ever_without_such_controls_and_follow_those_of_layers_with_them():
    circuits = Circuits({"a/x": (1, 2, 45), "b/y": (7,)}, Population(2, 40))
    dice = np.random.default_rng(0)
    activity = Activity(np.exp(dice.normal(0, 2, (2, 40))))
    plain = list(circuits.lines("m", "a/x", AblationSettings(random_trials=1)))
    more = AblationSettings(random_trials=1, activation_matched_trials=2)
    found = list(circuits.lines("m", "a/x", more, activity))
    matched = [one for one in found if one.condition == "activation_matched"]
    assert [one for one in found if one not in matched] == plain
    assert [(one.source, one.trial) for one in matched] == [
        ("a/x", 1),
        ("a/x", 2),
        ("b/y", 1),
        ("b/y", 2),
    ]
    for one in matched:
        own = circuits.units[one.source]
        assert not set(one.units) & set(own)
        assert sorted(n // 40 for n in one.units) == sorted(n // 40 for n in own)
    # Settings are noted only where there are some.
    assert "activation_matched_trials" not in AblationSettings().measurement()
    assert more.measurement()["activation_matched_trials"] == 2


def test_a_study_without_such_controls_measures_nothing():
    study = SimpleNamespace(ablation=AblationSettings())
    assert list(activity_works(SimpleNamespace(study=study), {"a/x": None})) == []
