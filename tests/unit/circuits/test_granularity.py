"""Circuits of whole layers, and of heads with layers: scores against true patching, lesions against hooks."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch
from example_items import ITEMS, attribute
from reference import log_probability
from rounding import assert_same, deviation, rounding

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.controls import mass_matched, size_matched
from brodmann.circuits.estimators.integrated import Integrated
from brodmann.circuits.granularity import CIRCUIT, MASS, SIZE, Grain, scores_at
from brodmann.circuits.masks import Selection
from brodmann.models.population import Population

LAYERS = ("mlp_layers", "attention_layers")
OUTPUTS = {"mlp_layers": "mlp_output", "attention_layers": "attention_output"}


def hooked(model, places, change, run):
    """What ``run`` gives while ``change(site, layer, value [length, width])`` stands in for sites' values."""
    flip = model.architecture.layout == "sequence_first"

    def changed(site, layer, value):
        value = value.transpose(0, 1) if flip else value
        new = change(site, layer, value[0].clone())[None]
        return new.transpose(0, 1) if flip else new

    def before(place):
        return lambda _, given: (changed(*place, given[0]), *given[1:])

    def after(place):
        def hook(_, __, out):
            if isinstance(out, tuple):
                return (changed(*place, out[0]), *out[1:])
            return changed(*place, out)

        return hook

    with ExitStack() as hooks:
        for place in places:
            path = f"{model.architecture.blocks}.{place[1]}.{getattr(model.architecture, place[0])}"
            module = model.hf.get_submodule(path)
            if place[0] == "heads":
                handle = module.register_forward_pre_hook(before(place))
            else:
                handle = module.register_forward_hook(after(place))
            hooks.callback(handle.remove)
        return run()


def values_of(model, ids, places):
    """(site, layer) -> [length, width] of one sequence."""
    kept = {}

    def keep(site, layer, value):
        kept[site, layer] = value.clone()
        return value

    with torch.no_grad():
        hooked(model, places, keep, lambda: model.hf(input_ids=torch.tensor([ids])))
    return kept


def naive(model, item, places, kind, means):
    """lp of both answers to the clean prompt; ``places``: (site, layer) -> dimensions that are silenced."""
    found = []
    for answer in (item.correct, item.incorrect):
        donor = values_of(model, item.corrupted + answer, places)

        def change(site, layer, value, donor=donor):
            own = places[site, layer]
            if kind == "corrupted":
                value[:, own] = donor[site, layer][:, own]
            else:
                value[:, own] = 0.0 if kind == "zero" else means[site, layer][own]
            return value

        def run(answer=answer):
            return log_probability(model.hf, item.clean, answer)

        found.append(hooked(model, places, change, run))
    return found


def means_of(model, items, places):
    each = [values_of(model, item.clean, places) for item in items]
    return {place: torch.stack([own[place].mean(0) for own in each]).mean(0) for place in places}


def cases(model):
    """Level -> lesions of flat units, and what they are: in every block four heads, then the MLP layer."""
    whole = slice(0, 32)
    head = [slice(n * model.head_dim, (n + 1) * model.head_dim) for n in range(4)]
    mixed = [
        {},
        {("heads", 0): head[1], ("mlp_output", 0): whole, ("heads", 1): head[2]},
        {("mlp_output", 2): whole},
    ]
    some = [{("mlp_output", 1): whole}, {("mlp_output", n): whole for n in (0, 2)}]
    return {
        "mixed": (5, [[], [1, 4, 7], [14]], mixed),
        "mlp_layers": (1, [[1], [0, 2]], some),
        "attention_layers": (1, [[0]], [{("attention_output", 0): whole}]),
    }


# Plain; with biases; contributions normalised; parallel; taken row by row, tokens first.
@pytest.mark.parametrize(
    ("family", "kind"),
    [
        *(("llama", "corrupted"), ("llama", "mean"), ("gpt2", "zero"), ("chatglm", "corrupted")),
        *(("gemma2", "mean"), ("gpt-neox", "corrupted")),
        *(
            pytest.param(family, kind, marks=pytest.mark.slow)
            for family in ("gpt2", "gemma2", "gpt-neox", "chatglm", "falcon", "bloom")
            for kind in ("corrupted", "zero", "mean")
        ),
    ],
)
def test_lesions_of_any_level_equal_plain_hooks(models, family, kind):
    model, items = models(family), ITEMS[1:4]
    for level, (width, units, places) in cases(model).items():
        ablator = Ablator(model, component=level)
        means = ablator.mean_activations(items) if kind == "mean" else None
        found = ablator.scores(items, [Lesion.of(own, width) for own in units], kind, means)
        every = dict.fromkeys(place for own in places for place in own)
        given = means_of(model, items, every) if kind == "mean" else None
        expected = [[naive(model, item, own, kind, given) for item in items] for own in places]
        assert_same(found, expected)
        assert deviation(expected[-1], expected[0]) > 10 * rounding() or len(expected) == 1


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "chatglm"])
def test_a_layer_is_all_its_neurons_or_heads(models, family):
    """With activations of the other prompt, where a layer's units are silenced makes no difference."""
    model = models(family)
    sizes = {"mlp_layers": ("neurons", model.neurons_per_layer), "attention_layers": ("heads", 4)}
    for level, (component, width) in sizes.items():
        own = [Lesion.of([1], 1), Lesion.of([0, 2], 1)]
        parts = [
            Lesion.of([n * width + unit for n in lesion.units for unit in range(width)], width)
            for lesion in own
        ]
        whole = Ablator(model, component=level).scores(ITEMS[:4], own, "corrupted")
        finer = Ablator(model, component=component).scores(ITEMS[:4], parts, "corrupted")
        assert_same(whole, finer)


def patched(model, item, place, share):
    """The metric of the corrupted run, a share of the way to the clean value at the last prompt token."""
    last = len(item.clean) - 1
    clean, corrupted = (
        values_of(model, ids, [place])[place] for ids in (item.clean, item.corrupted)
    )

    def change(_, __, value):
        value[last] = value[last] + share * (clean[last] - corrupted[last])
        return value

    def metric():
        right, wrong = (
            log_probability(model.hf, item.corrupted, answer)
            for answer in (item.correct, item.incorrect)
        )
        return right - wrong

    return hooked(model, [place], change, metric)


@pytest.mark.parametrize("family", ["llama", pytest.param("gemma2", marks=pytest.mark.slow)])
def test_scores_of_layers_are_effects_of_patching_them(models, family):
    """At first order the slope at the corrupted values; with integrated gradients the whole effect."""
    model, items = models(family), ITEMS[1:3]
    first, whole = (
        attribute(model, items, **more) for more in ({}, {"estimator": Integrated(steps=40)})
    )
    for level in LAYERS:
        slopes, effects, found = [], [], [[], []]
        for number, item in enumerate(items):
            for kept, own in zip(found, (first, whole), strict=True):
                parts = {c: own[c, number].numpy() for c in ("neurons", "heads")}
                kept.append(scores_at(level, parts)[:, 0])
            places = [(OUTPUTS[level], layer) for layer in range(3)]
            slopes.append(
                [
                    (patched(model, item, p, 0.02) - patched(model, item, p, -0.02)) / 0.04
                    for p in places
                ]
            )
            effects.append(
                [patched(model, item, p, 1.0) - patched(model, item, p, 0.0) for p in places]
            )
        if (
            family != "gemma2"
        ):  # whose layers' outputs are normalised: other lines through other spaces
            assert deviation(found[0], slopes) < 0.02
        assert deviation(found[1], effects) < 0.02


def test_scores_are_laid_out_part_by_part():
    neurons, heads = np.arange(6.0).reshape(2, 3), np.array([[10.0, 20.0], [-30.0, 5.0]])
    own = {"neurons": neurons, "heads": heads}
    assert scores_at("neurons", own).tolist() == neurons.tolist()
    assert scores_at("mixed", own).tolist() == [[10, 20, 3], [-30, 5, 12]]
    assert scores_at("mlp_layers", own).tolist() == [[3], [12]]
    assert scores_at("attention_layers", own).tolist() == [[30], [-25]]


def test_controls_are_as_many_or_as_strong_and_none_of_the_circuit():
    dice = np.random.default_rng(0)
    strength = np.maximum(dice.normal(size=300), 0)
    circuit = np.argsort(-strength)[:9].tolist()
    drawn = [size_matched(circuit, Population(3, 100), "t", trial) for trial in range(40)]
    assert all(len(set(own)) == 9 and not set(own) & set(circuit) for own in drawn)
    # All others are drawn about alike: 40 draws of 9 of 291.
    counts = np.bincount(np.concatenate(drawn), minlength=300)
    assert (counts > 0).sum() > 150 and counts.max() < 10
    wanted = strength[circuit].sum()
    for trial in range(20):
        own = mass_matched(circuit, strength, "t", trial)
        assert (
            not set(own) & set(circuit) and len(own) == len(set(own)) and (strength[own] > 0).all()
        )
        held = strength[own].sum()
        # As much, by no more than the last one drawn.
        assert wanted <= held * (1 + 1e-6) and held < wanted + strength.max()
    # Others hold too little: all of them that have any.
    few = np.array([5.0, 1.0, 0.0, 1.0])
    assert mass_matched([0], few, "t", 1) == [1, 3]
    assert size_matched([0, 1, 2], Population(1, 4), "t", 1) == [3]
    # Equal strengths: as many units as the circuit has, whatever the rounding of sums.
    assert len(mass_matched([3, 4, 5], np.full(50, 0.1), "t", 1)) == 3


def test_lesions_of_a_target():
    """Every circuit, and draws for the target's own; masses are shares of the target's positive scores."""
    scores = {
        "a/one": np.array([[4.0, 1.0], [-9.0, 3.0]], np.float32),
        "b/two": np.array([[-1.0, 2.0], [6.0, 0.5]], np.float32),
    }
    grain = Grain("heads", Selection("positive", 25.0), scores, Population(2, 2))
    found = list(grain.lesions("m", "a/one", 2, 0))
    assert [(one.source, one.condition, one.trial) for one in found] == [
        *(("a/one", CIRCUIT, 0), ("b/two", CIRCUIT, 0)),
        *(("a/one", SIZE, 1), ("a/one", SIZE, 2), ("a/one", MASS, 1), ("a/one", MASS, 2)),
    ]
    assert [one.units for one in found[:2]] == [(0,), (2,)]
    assert [one.mass for one in found[:2]] == [0.5, 0.0]
    # 1 and 3 are as much as 4.
    assert [one.units for one in found[4:]] == [(1, 3), (1, 3)] and found[4].mass == 0.5
