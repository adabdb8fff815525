"""The measure by which tests compare two computations: it passes rounding, and nothing else."""

import numpy as np
import pytest
import torch
from rounding import assert_same, computes_in, deviation, rounding
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model


def logits(model, ids):
    with torch.no_grad():
        return model.hf(input_ids=torch.tensor([ids])).logits[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_sums_in_another_order_are_the_same(dtype):
    dice = torch.Generator().manual_seed(0)
    terms = torch.randn(500, 64, generator=dice, dtype=torch.float64).to(dtype)
    forward, backward = torch.zeros(64, dtype=dtype), torch.zeros(64, dtype=dtype)
    for one, other in zip(terms, terms.flip(0), strict=True):
        forward, backward = forward + one, backward + other
    assert not torch.equal(forward, backward)
    assert_same(forward, backward, dtype)


def test_an_element_near_zero_is_judged_by_the_largest():
    assert_same([1000.0, 1e-5], [1000.0, 2e-5])
    assert deviation([8.0, 0.0], [8.0, 4.0]) == 0.5
    assert deviation([0.0, 0.5], [0.0, 0.0]) == 0.5


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_another_token_or_unit_is_seen(family):
    model = wrap_model(tiny_model(family), tiny_tokenizer(), name=family)
    intact = logits(model, [9, 40, 77])
    with pytest.raises(AssertionError, match="of the largest number"):
        assert_same(logits(model, [8, 40, 77])[-1], intact[-1])
    module = model.hf.get_submodule(f"{model.architecture.blocks}.1")
    weight = module.get_submodule(model.architecture.mlp_hidden).weight
    with torch.no_grad():
        (weight if family == "gpt2" else weight.T)[7] = 0  # what one neuron writes
    assert deviation(logits(model, [9, 40, 77]), intact) > 10 * rounding()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_the_same(bad):
    with pytest.raises(AssertionError):
        assert_same([1.0, bad], [1.0, bad])
    with pytest.raises(AssertionError):
        assert_same(np.zeros(2), np.zeros(3))


def test_where_a_float64_model_falls_back_to_float32():
    found = {
        family: computes_in(wrap_model(tiny_model(family).double(), tiny_tokenizer(), name=family))
        for family in ("gpt2", "chatglm", "gptj")
    }
    exact, single = torch.float64, torch.float32
    assert found == {"gpt2": exact, "chatglm": exact, "gptj": single}
