"""Narrow dtypes: what is read off a bf16 or fp16 model is summed in float32 at least."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from test_attribution import ITEMS, attribute, ids
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.scoring import Query, Scorer
from brodmann.models.load import wrap_model

NARROW = (torch.bfloat16, torch.float16)
# What the float32 sum of some twenty log-probabilities may lose.
SUMMED = 2e-4


def model_of(family, dtype, rounded_to=None):
    hf = tiny_model(family)
    if rounded_to is not None:
        hf = hf.to(rounded_to)
    return wrap_model(hf.to(dtype), tiny_tokenizer(), name=family)


@contextmanager
def heard(model):
    """The logits [rows, kept, vocabulary] that the model puts out while the block runs, pass by pass.

    Another pass over the same tokens could round them otherwise, by far more than what is asked here.
    """
    kept = []
    head = model.hf.get_output_embeddings()
    handle = head.register_forward_hook(lambda _, args, logits: kept.append(logits.clone()))
    try:
        yield kept
    finally:
        handle.remove()


def exact(logits, target):
    """float64 sum of the target's log-probabilities, from logits [kept, vocabulary]."""
    scores = logits[-len(target) :].double().log_softmax(-1)
    return float(scores[torch.arange(len(target)), torch.tensor(target)].sum())


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_log_probabilities_lose_nothing_after_the_logits(family, dtype):
    model = model_of(family, dtype)
    row, target = ids("the cat sat"), ids(" on the mat, and the dog")
    with heard(model) as passes:
        (found,) = Scorer(model.hf, model.device).log_probabilities([Query(row, target)])
    [logits] = passes
    assert logits.dtype == dtype
    assert found == pytest.approx(exact(logits[0], target), abs=SUMMED)
    # Rounding this one number to the model's own dtype may take far more from it.
    assert torch.finfo(dtype).eps * abs(found) / 2 > 20 * SUMMED


@pytest.mark.parametrize("dtype", NARROW)
def test_lesioned_log_probabilities_lose_nothing_either(dtype):
    model = model_of("llama", dtype)
    ablator = Ablator(model, batch_tokens=1)
    ablator.reader.caches = False  # one whole sequence, as in the reference
    item = ITEMS[2]
    with heard(model) as passes:
        found = ablator.scores([item], [Lesion.of([], 48)], "zero")[0, 0]
    # A row for each answer, the shorter first.
    short, long = (
        exact(logits[0], answer)
        for logits, answer in zip(passes, (item.incorrect, item.correct), strict=True)
    )
    assert found == pytest.approx([long, short], abs=SUMMED)


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
