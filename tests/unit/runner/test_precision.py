"""Narrow dtypes: the LM head of a bf16 or fp16 model, and all that is read off it, is float32 at least."""

from contextlib import contextmanager

import accelerate
import numpy as np
import pytest
import torch
from example_items import ITEMS, attribute, ids
from tiny_models import FAMILIES, HIDDEN, VOCABULARY, tiny_model, tiny_tokenizer
from torch.utils._python_dispatch import TorchDispatchMode

from brodmann.circuits.ablation import Ablator, Lesion
from brodmann.circuits.estimators.integrated import Integrated
from brodmann.circuits.estimators.patching import Patching
from brodmann.circuits.stages.effects import EffectTarget
from brodmann.models.head import widen_head
from brodmann.models.load import wrap_model
from brodmann.runner.scoring import Query, Scorer

NARROW = (torch.bfloat16, torch.float16)
# What the float32 sum of some twenty log-probabilities may lose.
SUMMED = 2e-4


def model_of(family, dtype, rounded_to=None):
    hf = tiny_model(family)
    if rounded_to is not None:
        hf = hf.to(rounded_to)
    return wrap_model(hf.to(dtype), tiny_tokenizer(), name=family)


# What some families do to their logits, strong enough here to show.
SETTINGS = {
    "gemma2": {"final_logit_softcapping": 0.5},
    "granite": {"logits_scaling": 4.0},
}


def plain(family, dtype):
    """A narrow model of transformers that brodmann has not touched."""
    hf = tiny_model(family).to(dtype)
    for name, value in SETTINGS.get(family, {}).items():
        setattr(hf.config, name, value)
    return hf


def head_in_float64(hf, family, hidden):
    """[..., vocabulary] by hand: a float64 head on the narrow body's output [..., hidden]."""
    head = hf.get_output_embeddings()
    logits = hidden.double() @ head.weight.double().T
    if head.bias is not None:
        logits = logits + head.bias.double()
    if family == "gemma2":
        cap = SETTINGS["gemma2"]["final_logit_softcapping"]
        logits = cap * (logits / cap).tanh()
    elif family == "granite":
        logits = logits / SETTINGS["granite"]["logits_scaling"]
    elif family == "cohere":
        logits = logits * hf.config.logit_scale
    return logits


@contextmanager
def heard(model):
    """What the head is given [rows, kept, hidden] while the block runs, pass by pass.

    Another pass over the same tokens could round them otherwise, by far more than what is asked here.
    """
    kept = []
    head = model.hf.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, args: kept.append(args[0].clone()))
    try:
        yield kept
    finally:
        handle.remove()


def exact(model, family, hidden, target):
    """float64 sum of the target's log-probabilities, of the last positions in ``hidden`` [kept, hidden]."""
    scores = head_in_float64(model.hf, family, hidden[-len(target) :]).log_softmax(-1)
    return float(scores[torch.arange(len(target)), torch.tensor(target)].sum())


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj", "gemma2", "granite", "cohere"])
def test_log_probabilities_are_those_of_a_float64_head(family, dtype):
    model = wrap_model(plain(family, dtype), tiny_tokenizer(), name=family)
    row, target = ids("the cat sat"), ids(" on the mat, and the dog")
    scorer = Scorer(model)
    with heard(model) as passes:
        (found,) = scorer.log_probabilities([Query(row, target)])
    [hidden] = passes
    assert hidden.dtype == dtype
    assert found == pytest.approx(exact(model, family, hidden[0], target), abs=SUMMED)


@pytest.mark.parametrize("dtype", NARROW)
def test_lesioned_log_probabilities_are_too(dtype):
    model = model_of("llama", dtype)
    ablator, item = Ablator(model), ITEMS[2]
    with heard(model) as passes:
        found = ablator.scores([item], [Lesion.of([], 48)], "zero")[0, 0]
    # One tree: the prompt, then the longer answer without its last token.
    [[hidden]] = passes
    assert len(hidden) == len(item.clean) + len(item.correct) - 1
    long = exact(model, "llama", hidden, item.correct)
    short = exact(model, "llama", hidden[: len(item.clean)], item.incorrect)
    assert found == pytest.approx([long, short], abs=SUMMED)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_puts_out_float32_logits(family, dtype):
    own = torch.tensor([ids("the cat sat")])
    model = model_of(family, dtype)
    with torch.no_grad(), model.nn.trace({"input_ids": own}):
        logits = model.nn.output.logits.save()
    assert logits.dtype == torch.float32
    with torch.no_grad():
        expected = tiny_model(family).to(dtype)(own).logits.float()
    torch.testing.assert_close(logits, expected, rtol=0.02, atol=0.02)


def test_a_float32_model_stays_as_it_is():
    own = torch.tensor([ids("the cat sat")])
    model = model_of("llama", torch.float32)
    assert type(model.hf.lm_head) is torch.nn.Linear
    with torch.no_grad():
        assert torch.equal(model.hf(own).logits, tiny_model("llama")(own).logits)


def ties(values):
    """How many pairs are equal."""
    _, counts = torch.tensor(values).unique(return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


@pytest.mark.parametrize("dtype", NARROW)
def test_answers_that_a_narrow_head_cannot_tell_apart_are_told_apart(dtype):
    row = ids("the cat sat on the mat")
    with torch.no_grad():
        narrow = plain("llama", dtype)(torch.tensor([row])).logits[0]
    assert sum(ties(values.tolist()) for values in narrow) > 20
    model = model_of("llama", dtype)
    queries = [Query(row, (token,)) for token in range(VOCABULARY)]
    found = Scorer(model).log_probabilities(queries)
    assert ties(found) <= 1  # two of 33930 pairs may fall together in float32, too


class Largest(TorchDispatchMode):
    """The largest float32 matrix as wide as the model that is made while it watches."""

    def __init__(self):
        super().__init__()
        self.rows = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        matrix = isinstance(made, torch.Tensor) and made.ndim == 2 and made.shape[1] == HIDDEN
        if matrix and made.dtype == torch.float32:
            self.rows = max(self.rows, len(made))
        return made


@pytest.mark.parametrize("dtype", NARROW)
def test_the_head_is_never_float32_as_a_whole(monkeypatch, dtype):
    """Some rows at a time, forwards and backwards, with the numbers of the whole."""
    monkeypatch.setattr("brodmann.models.head.HEAD_CHUNK", 7 * HIDDEN + 3)
    head = plain("gptj", dtype)
    widen_head(head)
    layer = head.get_output_embeddings()
    torch.manual_seed(0)
    hidden = torch.randn(2, 3, HIDDEN, requires_grad=True)
    upstream = torch.randn(2, 3, VOCABULARY)
    with Largest() as largest:
        logits = layer(hidden)
        (gradient,) = torch.autograd.grad(logits, hidden, upstream)
    assert largest.rows == 7
    weight = layer.weight.double()
    expected = hidden.double() @ weight.T + layer.bias.double()
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient.double(), upstream.double() @ weight, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("family", ["llama", "gemma2", "granite"])
def test_gradients_go_through_the_head(family, dtype):
    """Of the difference of two answers' log-probabilities, with respect to the first layer's input."""
    own = torch.tensor([ids("the cat sat")])
    model = wrap_model(plain(family, dtype), tiny_tokenizer(), name=family)
    oracle = plain(family, dtype).requires_grad_(False)

    def body(given):
        return oracle.base_model(inputs_embeds=given, use_cache=False).last_hidden_state

    found = []
    for logits_of in (
        lambda given: model.hf(inputs_embeds=given, use_cache=False).logits.double(),
        lambda given: head_in_float64(oracle, family, body(given)),
    ):
        given = oracle.get_input_embeddings()(own).detach().requires_grad_(True)
        scores = logits_of(given)[0, -1].log_softmax(-1)
        (gradient,) = torch.autograd.grad(scores[9] - scores[42], given)
        found.append(gradient.double().flatten())
    # The body's own gradients are narrow: rounded at every step.
    apart = (found[0] - found[1]).norm() / found[1].norm()
    assert float(found[1].norm()) > 0 and apart < (0.03 if dtype == torch.bfloat16 else 0.004)


@pytest.mark.parametrize("dtype", NARROW)
def test_a_head_that_lies_elsewhere_is_computed_alike(dtype):
    own = torch.tensor([ids("the cat sat")])
    hf = accelerate.cpu_offload(tiny_model("gptj").to(dtype), execution_device=torch.device("cpu"))
    assert hf.lm_head.weight.is_meta
    with torch.no_grad():
        expected = model_of("gptj", dtype).hf(own).logits
        widen_head(hf)
        for found in (hf(own).logits, wrap_model(hf, tiny_tokenizer(), name="gptj").hf(own).logits):
            assert found.dtype == torch.float32
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert hf.lm_head.weight.is_meta


def test_near_ties_are_counted_by_dtype():
    target = EffectTarget(None, None, (0, 1, 2, 3), 1.0, -1.0, False)
    scores = np.array([[-1.0, -1.000001], [-1.0, -1.003], [-1.0, -1.02], [-1.0, -2.0]])
    counted = {
        dtype: target.summary(scores, dtype)["ties"]
        for dtype in ("float64", "float32", "float16", "bfloat16")
    }
    assert counted == {"float64": 1, "float32": 1, "float16": 2, "bfloat16": 3}


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("estimator", [Patching(), Integrated(4)], ids=lambda one: one.name)
def test_attributions_are_those_of_the_same_weights_in_float32(dtype, estimator):
    narrow, wide = (
        attribute(model_of("llama", run, rounded_to=dtype), ITEMS[:4], estimator=estimator)
        for run in (dtype, torch.float32)
    )
    for key, values in narrow.items():
        assert values.dtype == torch.float32
        together = np.corrcoef(values.flatten().numpy(), wide[key].flatten().numpy())[0, 1]
        assert together > (0.98 if dtype == torch.bfloat16 else 0.9999)
