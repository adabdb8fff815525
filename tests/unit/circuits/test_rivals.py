"""Rival circuits against a naive search: plain transformers, whole sequences, units held by hooks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from example_items import ITEMS
from reference import naive_attribution, naive_means

from brodmann.circuits.faithfulness import Answers
from brodmann.circuits.stages.attribution import ItemList
from brodmann.circuits.stages.rivals import ALONE, CONTROL, WITHOUT, Rivals, kept, shared
from brodmann.config.attribution import AttributionSettings
from brodmann.config.faithfulness import FaithfulnessSettings, RivalSettings
from brodmann.models.population import Population
from brodmann.runner.engine import Engine

SIZE = {"neurons": 6, "heads": 2}


def searched(model, component, items):
    """(what the stage finds in two rounds, the order that its first circuit begins)"""
    wide = model.neurons_per_layer if component == "neurons" else model.heads_per_layer
    order = np.random.default_rng(0).permutation(3 * wide).astype(np.int32)
    percent = 100 * SIZE[component] / len(order) + 1e-9
    settings = FaithfulnessSettings(rivals=RivalSettings(rounds=2, percent=percent))
    stage = SimpleNamespace(
        settings=AttributionSettings(components=(component,)),
        shape=lambda _: (3, wide),
        population=lambda _: Population(3, wide),
    )
    whole = SimpleNamespace(stage=stage, settings=settings, ranked=lambda *_: order)
    numbers = tuple(range(len(items)))
    listed = ItemList(SimpleNamespace(task="language/t", groups=[]), None, numbers, False)
    bench = SimpleNamespace(
        model=model, study=None, engine=Engine(model), encoded=lambda _: list(items)
    )
    own = Rivals(whole, listed, SimpleNamespace(task="language/t"), component)
    return own._found(bench, lambda _: None), order, wide


@pytest.mark.parametrize("component", ["neurons", "heads"])
def test_rivals_are_what_a_naive_search_finds(models, component):
    model, items = models("llama"), ITEMS[:3]
    found, order, wide = searched(model, component, items)
    size, means = SIZE[component], naive_means(model, items, component)
    width = means.shape[1] // wide
    held = torch.zeros(3, means.shape[1], dtype=torch.bool)
    assert found[0].tolist() == order[:size].tolist()
    for number in (1, 2):
        for unit in found[number - 1].tolist():
            layer, place = divmod(unit, wide)
            held[layer, place * width : (place + 1) * width] = True

        def hold(layer, value):
            return torch.where(held[layer], means[layer].to(value.dtype), value)

        scores = sum(naive_attribution(model, item, component, hold=hold) for item in items)
        ranked = torch.argsort(scores.reshape(-1), descending=True).tolist()
        intact = sum(naive_attribution(model, item, component) for item in items)
        best = [n for n in ranked if scores.reshape(-1)[n] > 0][:size]
        assert sorted(found[number].tolist()) == sorted(best)
        # Holding units moves the scores of others: the search would find something else without it.
        assert (scores - intact).abs().max() > 1e-3 * intact.abs().max()
    every = np.concatenate(found)
    assert len(set(every.tolist())) == len(every)


def test_what_rivals_share():
    order = np.arange(12)[::-1]
    first, rival = order[:3], np.array([8, 7, 0])  # of layers of four units: 2, 2, 2; 2, 1, 0
    found = shared(rival, first, order, before=3, there=Population(3, 4))
    assert found == {"next_best": pytest.approx(2 / 3), "same_layers": pytest.approx(1 / 3)}
    assert shared(np.array([], int), first, order, before=3, there=Population(3, 4)) == {}


def test_without_a_contrast_nothing_is_a_share_of_it():
    clean, corrupted = np.array([3.0, 5.0, 4.0]), np.array([-1.0, 1.0, 0.0])
    weights = np.array([[2, 1, 0], [0, 1, 2], [1, 1, 1]]) / 3
    metrics = {ALONE: clean / 2, CONTROL: corrupted, WITHOUT: clean}
    found = kept(metrics, Answers(clean, corrupted, weights, unnormalised=False))
    assert found["faithfulness"] == pytest.approx((2 - 0) / (4 - 0)) and found["control"] == 0
    assert found["without"] == found["without_low"] == found["without_high"] == 1
    assert kept(metrics, Answers(clean, corrupted, weights, unnormalised=True)) == {}
