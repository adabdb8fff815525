"""Edits of a running model against plain hooks that multiply and add whole vectors."""

import numpy as np
import pandas as pd
import pytest
import torch
from naive_sites import site_module
from rounding import assert_same, deviation, rounding
from tiny_models import FAMILIES

from brodmann.atlas.chosen import Units
from brodmann.errors import UserError
from brodmann.runner.edits import HOWS, edited
from brodmann.runner.scoring import Query, Scorer
from brodmann.sites import UNIT_SITES

UNITS = [(0, 3), (0, 17), (1, 0), (2, 31), (2, 8)]
TEXT = "the cat sat"
SOME = ["llama", "gpt2", "gemma2", "gpt-neox", "falcon", "chatglm", "bloom", "phi3"]


def logits(model, text=TEXT):
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model.hf(input_ids=ids).logits[0]


def oracle(model, site, how, amount):
    """value * factor + shift for every unit of a layer: 1 and 0 where nothing is edited."""
    handles = []
    for layer in range(model.n_layers):
        factor, shift = torch.ones(model.width(site)), torch.zeros(model.width(site))
        for at, unit in UNITS:
            if at == layer:
                value = amount if np.ndim(amount) == 0 else amount[layer, unit]
                factor[unit], shift[unit] = {
                    "inhibit": (0.0, 0.0),
                    "multiply": (value, 0.0),
                    "add": (1.0, value),
                    "hold": (0.0, value),
                }[how]

        def edit(value, factor=factor, shift=shift):
            return value * factor + shift

        def before(_, inputs, edit=edit):
            return (edit(inputs[0]), *inputs[1:])

        def after(_, __, output, edit=edit):
            packed = isinstance(output, tuple | list)
            return (edit(output[0]), *output[1:]) if packed else edit(output)

        module = site_module(model, site, layer)
        if site == "mlp_hidden":
            handles.append(module.register_forward_pre_hook(before))
        else:
            handles.append(module.register_forward_hook(after))
    try:
        return logits(model)
    finally:
        for handle in handles:
            handle.remove()


def amounts(model, site, how):
    shape = (model.n_layers, model.width(site))
    several = np.random.default_rng(0).normal(size=shape)
    return {"inhibit": [None], "hold": [several], "multiply": [1.5, several], "add": [-2.0]}[how]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_plain_hooks(models, family):
    model = models(family)
    intact = logits(model)
    for site in UNIT_SITES if family in SOME else ("mlp_output",):
        for how in HOWS:
            for amount in amounts(model, site, how):
                expected = oracle(model, site, how, amount)
                with edited(model, UNITS, how, amount, site=site):
                    found = logits(model)
                assert_same(found, expected)
                assert deviation(expected, intact) > 3 * rounding(), (site, how)
    assert_same(logits(model), intact)  # nothing is left behind


def test_edits_of_nothing_by_nothing_change_nothing(models):
    model = models("llama")
    intact = logits(model)
    for how, amount in (("multiply", 1.0), ("add", 0.0)):
        with edited(model, UNITS, how, amount):
            assert_same(logits(model), intact)
    with edited(model, []):
        assert_same(logits(model), intact)


def test_nested_edits_follow_one_another(models):
    """Twice the value and one more; hooks run in the order in which they were made."""
    model = models("llama")
    with edited(model, UNITS, "multiply", 2.0), edited(model, UNITS, "add", 1.0):
        found = logits(model)
    with edited(model, UNITS, "add", 0.5), edited(model, UNITS, "multiply", 2.0):
        assert_same(logits(model), found)


def test_scoring_with_a_cache_is_edited_throughout(models):
    model = models("llama")
    prefix = tuple(model.tokenizer("of all the things that could be said here, ")["input_ids"])
    answers = [tuple(model.tokenizer(w)["input_ids"]) for w in ("ab", "cd", "ef", "gh", "ijk")]
    queries = [Query(prefix + answer[:1], answer[1:]) for answer in answers]
    shared, plain = (
        Scorer(model),
        Scorer(model),
    )
    with edited(model, UNITS, "multiply", 3.0):
        found, expected = (scorer.log_probabilities(queries) for scorer in (shared, plain))
    assert_same(found, expected)


def test_a_factor_is_not_rounded_to_half_precision(models):
    """1.02 in bfloat16 is 1.0234375: the product is to be rounded, the factor is not."""
    from tiny_models import tiny_model, tiny_tokenizer

    from brodmann.models.load import wrap_model

    model = wrap_model(tiny_model("llama").bfloat16(), tiny_tokenizer(), name="half")
    kept = []
    module = site_module(model, "mlp_output", 0)
    first = module.register_forward_hook(lambda m, a, out: kept.append(out))
    with edited(model, [(0, unit) for unit in range(32)], "multiply", 1.02):
        second = module.register_forward_hook(lambda m, a, out: kept.append(out))
        logits(model)
    first.remove()
    second.remove()
    before, after = kept
    assert torch.equal(after, (before.float() * 1.02).bfloat16())
    assert not torch.equal(after, before * torch.tensor(1.02, dtype=torch.bfloat16))


def test_units_are_told_in_any_way(models):
    """Of a mask as a tensor, of a study's table, of its atlas: the edit is that of the pairs."""
    model, pairs = models("llama"), [(0, 3), (2, 1)]
    mask = torch.zeros(3, model.units("mlp_hidden"), dtype=torch.bool)
    mask[[0, 2], [3, 1]] = True
    table = pd.DataFrame(pairs, columns=["layer", "unit"]).assign(model="a", site="mlp_hidden")
    chosen = Units(
        "a", "", "mlp_hidden", mask.shape[1], "x", np.array([3, 2 * mask.shape[1] + 1]), np.ones(2)
    )
    found = []
    for units in (pairs, mask, mask.numpy(), table, chosen, np.array(pairs), torch.tensor(pairs)):
        with edited(model, units, site="mlp_hidden"):
            found.append(logits(model))
    assert all(torch.equal(one, found[0]) for one in found)
    for units in (table, chosen):
        with (
            pytest.raises(
                UserError,
                match=r"of the site mlp_hidden, not of mlp_output \(give site='mlp_hidden'",
            ),
            edited(model, units),
        ):
            pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 32)),), "neither .* pairs nor a mask of truth values"),
        ((pd.DataFrame({"model": ["a", "b"], "layer": 0, "unit": 0}),), "are of several models"),
        (([(0, 0)], "inhibits"), "did you mean 'inhibit'"),
        (([(0, 0)], "add"), "'add' needs an amount"),
        (([(0, 0)], "inhibit", 1.0), "takes no amount"),
        (([(0, 0)], "hold", np.zeros((3, 31))), r"is \[3, 31\], llama has \[3, 32\]"),
        (([(3, 0)],), "no unit 0 in layer 3"),
    ],
)
def test_bad_edits_are_named(models, arguments, message):
    with pytest.raises(UserError, match=message), edited(models("llama"), *arguments):
        pass
    with pytest.raises(UserError, match="no site 'mlp'"), edited(models("llama"), [], site="mlp"):
        pass
