"""Narrow dtypes: what is read off a bf16 or fp16 model is summed in float32 at least."""

import numpy as np
import pytest
import torch
from test_attribution import ITEMS, attribute, ids
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.scoring import Query, Scorer
from brodmann.models.load import wrap_model

NARROW = (torch.bfloat16, torch.float16)


def model_of(family, dtype, rounded_to=None):
    hf = tiny_model(family)
    if rounded_to is not None:
        hf = hf.to(rounded_to)
    return wrap_model(hf.to(dtype), tiny_tokenizer(), name=family)


def exact(model, row, target):
    """float64 sum of the target's log-probabilities, of the very logits that the narrow model puts out."""
    with torch.no_grad():
        logits = model.hf(input_ids=torch.tensor([row + target[:-1]]), use_cache=False).logits
    assert logits.dtype == model.dtype
    scores = logits[0, -len(target) :].double().log_softmax(-1)
    return float(scores[torch.arange(len(target)), torch.tensor(target)].sum())


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_log_probabilities_lose_nothing_after_the_logits(family, dtype):
    model = model_of(family, dtype)
    row, target = ids("the cat sat"), ids(" on the mat, and the dog")
    (found,) = Scorer(model.hf, model.device).log_probabilities([Query(row, target)])
    assert found == pytest.approx(exact(model, row, target), abs=2e-4)
    # In the model's own dtype the sum would be off by far more than that.
    assert abs(float(torch.tensor(found).to(dtype)) - found) > 2e-3


@pytest.mark.parametrize("dtype", NARROW)
def test_lesioned_log_probabilities_lose_nothing_either(dtype):
    model = model_of("llama", dtype)
    model_items = [ITEMS[2]]
    ablator = Ablator(model, batch_tokens=1)
    ablator.reader.caches = False  # one whole sequence, as in the reference
    found = ablator.scores(model_items, [Lesion.of([], 48)], "zero")[0, 0]
    item = ITEMS[2]
    expected = [exact(model, item.clean, answer) for answer in (item.correct, item.incorrect)]
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("steps", [0, 4])
def test_attributions_are_those_of_the_same_weights_in_float32(dtype, steps):
    narrow, wide = (
        attribute(model_of("llama", run, rounded_to=dtype), ITEMS[:4], ig_steps=steps)
        for run in (dtype, torch.float32)
    )
    for key, values in narrow.items():
        assert values.dtype == torch.float32
        together = np.corrcoef(values.flatten().numpy(), wide[key].flatten().numpy())[0, 1]
        assert together > (0.98 if dtype == torch.bfloat16 else 0.9999)
