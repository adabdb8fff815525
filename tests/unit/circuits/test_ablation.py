"""Lesions against a naive implementation: one source, one item, whole sequences, hooks on plain models."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from example_items import ITEMS, SINGLE, item
from reference import naive_lesion, naive_means
from rounding import assert_same, deviation, rounding
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.circuits.ablation import KINDS, Ablator, Kept, Lesion
from brodmann.circuits.stages.effects import EffectTarget, measured
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.runner.encode import common_prefix
from brodmann.runner.engine import Engine

LESIONS = [
    [],
    [(0, 1), (0, 3), (1, 2), (2, 0)],
    [(2, 1)],
    [(1, 0), (2, 3)],
    [(layer, unit) for layer in range(3) for unit in range(4)],
]


def width(model, component):
    return model.neurons_per_layer if component == "neurons" else model.heads_per_layer


def lesions(model, component):
    wide = width(model, component)
    return [Lesion.of([layer * wide + unit for layer, unit in own], wide) for own in LESIONS]


def measure(model, items, component, kind, chosen=None, **options):
    ablator = Ablator(model, component=component, **options)
    means = ablator.mean_activations(items) if kind == "mean" else None
    return ablator.scores(items, chosen or lesions(model, component), kind, means)


def expect(model, items, component, kind):
    means = naive_means(model, items, component) if kind == "mean" else None
    return [
        [naive_lesion(model, item, component, units, kind, means) for item in items]
        for units in LESIONS
    ]


SOME = ("llama", "gemma2", "gpt2", "gpt-neox", "falcon", "bloom", "chatglm")
CASES = [
    pytest.param(kind, family, marks=() if family in SOME else pytest.mark.slow)
    for kind in KINDS
    for family in FAMILIES
]


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_equals_the_naive_implementation(models, family, kind):
    model = models(family)
    items = ITEMS if family in ("llama", "chatglm") else ITEMS[1:4]
    for component in ("neurons", "heads"):
        found = measure(model, items, component, kind)
        expected = np.array(expect(model, items, component, kind))
        assert_same(found, expected)
        # The largest lesion does something, so that agreement is not that of two idle codes.
        assert deviation(expected[-1], expected[0]) > 10 * rounding()


@pytest.mark.parametrize("family", ["llama", "gpt2", "chatglm"])
@pytest.mark.parametrize("kind", KINDS)
def test_all_units_but_those_that_are_kept(models, family, kind):
    """The same as naming all others; nothing kept, a layer kept whole, and everything: the intact run."""
    model = models(family)
    items = [ITEMS[1], ITEMS[2]] if family == "llama" else ITEMS[1:2]
    items = [*SINGLE[:1]] if family == "gpt2" else items
    for component in ("neurons", "heads"):
        wide = width(model, component)
        dice = np.random.default_rng(3)
        kept = np.stack([np.zeros((3, wide), bool), dice.random((3, wide)) < 0.5])
        kept = np.concatenate([kept, kept[1:], np.ones((1, 3, wide), bool)])
        kept[2, 0] = True
        found = measure(model, items, component, kind, [Kept(units) for units in kept])
        means = naive_means(model, items, component) if kind == "mean" else None
        others = [list(zip(*np.nonzero(~units), strict=True)) for units in kept]
        expected = [
            [naive_lesion(model, item, component, own, kind, means) for item in items]
            for own in others
        ]
        if family == "gpt2":  # joints are given up to what the two prompts share
            found, expected = found[..., :1], np.array(expected)[..., :1]
        assert_same(found, np.array(expected))
        assert deviation(found[0], found[-1]) > 10 * rounding()
        alone = measure(model, items, component, kind, [Kept(kept[1])], batch_tokens=1)
        assert_same(alone[0][..., : found.shape[-1]], found[1])


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "falcon", "chatglm"])
@pytest.mark.parametrize("kind", KINDS)
def test_single_answers_lesion_both_prompts(models, family, kind):
    model = models(family)
    items = [*SINGLE, SINGLE[0].__class__((9, 8, 7), (4, 8, 7), (11, 12), None)]
    found = measure(model, items, "neurons", kind)
    expected = np.array(expect(model, items, "neurons", kind))
    assert_same(found[..., 0], expected[..., 0])
    # Joints are given up to what the two prompts share: their difference is what counts.
    differences = found[..., 1] - found[..., 2]
    assert np.abs(differences - (expected[..., 1] - expected[..., 2])).max() <= 2e-4


@pytest.mark.parametrize("family", ["llama", "gpt-neox", "chatglm"])
@pytest.mark.parametrize("kind", KINDS)
def test_does_not_depend_on_the_batch(models, family, kind):
    """Not on its size, nor on the order of lesions, nor on which others are there."""
    model = models(family)
    whole = measure(model, ITEMS, "neurons", kind)
    for batch_tokens in (1, 60):
        found = measure(model, ITEMS, "neurons", kind, batch_tokens=batch_tokens)
        assert_same(found, whole)
    chosen = lesions(model, "neurons")
    reversed_ = measure(model, ITEMS, "neurons", kind, chosen[::-1])
    assert_same(reversed_[::-1], whole)
    alone = measure(model, ITEMS, "neurons", kind, [chosen[3]])
    assert_same(alone[0], whole[3])


def test_lesioning_everything_gives_the_corrupted_run(models):
    """All units of all layers' MLPs and all positions: what is left of the clean prompt are embeddings
    and attention; a lesion of no unit gives the intact run."""
    from reference import log_probability

    model = models("llama")
    found = measure(model, ITEMS[:1], "neurons", "corrupted")
    intact = [
        log_probability(model.hf, ITEMS[0].clean, answer)
        for answer in (ITEMS[0].correct, ITEMS[0].incorrect)
    ]
    assert_same(found[0, 0], intact)


def test_blocks_below_the_lowest_edit_are_not_run(models, monkeypatch):
    model = models("llama")
    ablator = Ablator(model)
    wide = model.neurons_per_layer
    high = [Lesion.of([2 * wide + unit], wide) for unit in range(6)]
    tokens = {layer: 0 for layer in range(3)}
    for layer in range(3):
        block = model.hf.model.layers[layer].mlp
        forward = block.forward

        def counting(*args, layer=layer, forward=forward, **kwargs):
            tokens[layer] += args[0].shape[0] * args[0].shape[1]
            return forward(*args, **kwargs)

        monkeypatch.setattr(block, "forward", counting)
    ablator.scores(ITEMS[:1], high, "corrupted")
    item = ITEMS[0]
    changed = len(item.clean) - common_prefix((item.clean, item.corrupted))
    assert tokens[2] == tokens[1] + len(high) * changed
    # Below, donors and the intact rows alone (and one token that shows what a block puts out).
    assert tokens[1] <= tokens[0] <= len(item.clean) + changed + 1


def test_running_out_of_memory_halves(models, monkeypatch):
    """A tree of many (lesion, item) pairs is tried again with fewer nodes, in the end with one pair alone."""
    model = models("llama")
    expected = measure(model, ITEMS, "neurons", "corrupted")
    ablator = Ablator(model)
    run, sizes, done = ablator.engine.run, [], []

    def scarce(query):
        sizes.append(len(query.tree))
        if len(query.tree) > 40:
            raise torch.OutOfMemoryError("out of memory")
        return run(query)

    monkeypatch.setattr(ablator.engine, "run", scarce)
    chosen = lesions(model, "neurons")
    assert_same(ablator.scores(ITEMS, chosen, "corrupted", on_rows=done.append), expected)
    assert max(sizes) > 80 and sizes[-1] <= 40
    assert sum(done) == len(ITEMS) * len(chosen)


def test_memory_for_not_even_one_item_is_an_error(models, monkeypatch):
    ablator = Ablator(models("llama"))

    def scarce(_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(ablator.engine, "run", scarce)
    with pytest.raises(UserError, match="not enough memory"):
        ablator.scores(ITEMS, lesions(ablator.model, "neurons"), "corrupted")


def test_a_value_that_is_none_names_its_item_not_its_neighbours():
    """In a tree it spreads to rows that were run beside it."""
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="m")
    with torch.no_grad():
        model.hf.get_input_embeddings().weight[5 + ord("Q")] = float("nan")
    own = [*ITEMS[:2], item("the Qat sat", "the dog sat", "x", "y")]
    bench = SimpleNamespace(model=model, engine=Engine(model), encoded=lambda _: own, made_with={})
    task = SimpleNamespace(task="language/t")
    target = EffectTarget(task, None, (4, 6, 9), 1.0, -1.0, False)

    def scores():
        wanted = [(1, 50), (3,)]
        width = model.neurons_per_layer
        of = bench, target, "neurons", "zero", wanted, lambda units: Lesion.of(units, width)
        return list(measured(*of, lambda _: None))

    with pytest.raises(UserError, match="language/t, item 9: an ablated log-probability is nan"):
        scores()
    own.pop()
    [found] = scores()
    assert len(found) == 2
