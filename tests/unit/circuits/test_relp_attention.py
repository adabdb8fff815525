"""Relevance patching with constant attention, against attention written out with a pattern that is
detached."""

import pytest
import torch
from example_items import ITEMS, attribute
from reference import naive_attribution
from rounding import assert_same
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer

from brodmann.circuits.estimators.patching import Patching
from brodmann.circuits.estimators.relp import Relp, RelpAttention, constant_attention
from brodmann.errors import UserError
from brodmann.models.load import wrap_model


class Constant(Patching):
    """The rule for attention alone, so that nothing else is tested with it."""

    def contributions(self, run, chunk):
        with constant_attention(run.model):
            return super().contributions(run, chunk)


def written_out(query, key, value, attn_mask=None, is_causal=False, scale=None, **options):
    """What ``scaled_dot_product_attention`` computes; its pattern is a constant."""
    if options.get("enable_gqa"):
        key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], 1) for t in (key, value))
    scores = query @ key.transpose(-1, -2) * (scale or query.shape[-1] ** -0.5)
    if is_causal:
        length = query.shape[-2]
        scores = scores.masked_fill(~torch.ones(length, length).tril().bool(), -torch.inf)
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, -1).detach() @ value


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "chatglm"])
def test_equals_attention_written_out(models, family, monkeypatch):
    """Whether torch's attention makes the patterns or a softmax does."""
    model = models(family)
    items = [ITEMS[0], ITEMS[2]]
    found = attribute(model, items, estimator=Constant(), positions="all")
    function = torch.nn.functional
    softmax = function.softmax
    monkeypatch.setattr(function, "scaled_dot_product_attention", written_out)
    monkeypatch.setattr(function, "softmax", lambda *a, **k: softmax(*a, **k).detach())
    for number, it in enumerate(items):
        at = range(len(it.clean))
        for component in ("neurons", "heads"):
            expected = naive_attribution(model, it, component, positions=at)
            assert_same(found[component, number], expected)
    monkeypatch.undo()
    usual = naive_attribution(model, items[0], "neurons", positions=range(len(items[0].clean)))
    assert (usual - found["neurons", 0]).abs().max() > 1e-3 * usual.abs().max()


def test_the_estimator_has_all_rules(models):
    """At the last layer's units attention comes no more: there both are the same; below they differ."""
    item = ITEMS[0]
    ruled = attribute(models("llama"), [item], estimator=RelpAttention(), positions="all")
    without = attribute(models("llama"), [item], estimator=Relp(), positions="all")
    last, first = ruled["neurons", 0][-1], ruled["neurons", 0][0]
    assert_same(last, without["neurons", 0][-1])
    difference = (first - without["neurons", 0][0]).abs().max()
    assert difference > 1e-3 * first.abs().max()


OTHERS = ("bloom", "codegen", "falcon-sequential", "gpt-bigcode")


@pytest.mark.parametrize(
    "family",
    [one if one in OTHERS else pytest.param(one, marks=pytest.mark.slow) for one in FAMILIES],
)
def test_every_family_shows_its_patterns(models, family):
    """Values stay, and every block's attention is seen (else it is refused)."""
    model = models(family)
    ids = torch.tensor([[5, 6, 7, 8]])
    before = model.hf(input_ids=ids).logits
    with constant_attention(model):
        assert_same(model.hf(input_ids=ids).logits, before)


def test_a_kernel_of_its_own_is_refused():
    model = wrap_model(tiny_model("llama"), tiny_tokenizer(), name="m")
    attention = model.hf.model.layers[1].self_attn
    attention.forward = lambda hidden_states, **_: (hidden_states, None)
    with (
        pytest.raises(UserError, match=r"block 1 .*kernel.*sdpa or eager"),
        constant_attention(model),
    ):
        model.hf(input_ids=torch.tensor([[5, 6]]))
    assert not torch.overrides._get_current_function_mode_stack()
