"""AtP* against the paper's definition, written out on whole sequences: every layer left out in turn."""

from contextlib import contextmanager

import pytest
import torch
from example_items import ITEMS, attribute
from reference import _run, naive_attribution
from rounding import assert_same
from tiny_models import _build, tiny_model, tiny_tokenizer

from brodmann.circuits.estimators.atp_star import AtpStar
from brodmann.errors import UserError
from brodmann.models.load import wrap_model


@contextmanager
def without(model, layer):
    """What the block adds to its input is a constant: seen at the block, not at what it consists of."""

    def constant(_, inputs, output):
        whole = output[0] if isinstance(output, tuple) else output
        value = inputs[0] + (whole - inputs[0]).detach()
        return (value, *output[1:]) if isinstance(output, tuple) else value

    blocks = model.hf.get_submodule(model.architecture.blocks)
    handle = blocks[layer].register_forward_hook(constant)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("family", "positions"),
    [
        ("llama", "last"),
        ("llama", "all"),
        ("gpt-neox", "last"),
        ("gemma2", "all"),
        ("chatglm", "last"),
    ],
)
def test_is_the_mean_over_layers_left_out(models, family, positions):
    """A unit's own layer adds nothing, which is why the sum is divided by one layer less."""
    model = models(family)
    items = [ITEMS[0], ITEMS[2], ITEMS[5]][: 3 if family == "llama" else 1]
    found = attribute(model, items, estimator=AtpStar(), positions=positions)
    for number, it in enumerate(items):
        at = range(len(it.clean)) if positions == "all" else (-1,)
        for component in ("neurons", "heads"):
            plain = naive_attribution(model, it, component, positions=at)
            total = torch.zeros_like(plain)
            for layer in range(model.n_layers):
                with without(model, layer):
                    # The units of the layer itself reach nothing: autograd would not find them in the graph.
                    dropped = _naive_but(model, it, component, at, layer)
                total += dropped.abs()
            expected = plain.sign() * total / (model.n_layers - 1)
            assert_same(found[component, number], expected)
            assert (plain.abs() - expected.abs()).abs().max() > 1e-2 * plain.abs().max()


def _naive_but(model, item, component, positions, layer):
    """The naive attribution with a zero gradient at the units of one layer."""
    used = torch.autograd.grad

    def grad(metric, values):
        found = used(metric, values, allow_unused=True)
        assert [n for n, g in enumerate(found) if g is None] in ([], [layer])
        return [torch.zeros_like(v) if g is None else g for v, g in zip(values, found, strict=True)]

    torch.autograd.grad = grad
    try:
        return naive_attribution(model, item, component, positions=positions)
    finally:
        torch.autograd.grad = used


def test_heads_have_the_recomputed_softmax(models, monkeypatch):
    """The QK fix, written out: queries, keys and values of a head are patched and its softmax is computed;
    first order in the weights of attention and values. A first-order estimate through the softmax is another
    number."""
    model, item = models("llama"), ITEMS[0]
    function, seen = torch.nn.functional.scaled_dot_product_attention, []

    def spy(query, key, value, **options):
        seen.append((query, key, value))
        for own in seen[-1]:
            if own.requires_grad:
                own.retain_grad()
        return function(query, key, value, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    with torch.no_grad():
        _run(model, item.clean, component="heads")
    clean, seen[:] = list(seen), []

    def leaf(layer, value):
        return value if value.requires_grad else value.detach().requires_grad_(True)

    logits, units = _run(model, item.corrupted, leaf, component="heads")
    lp = logits.float().log_softmax(-1)[-1]
    for value in units.values():
        value.retain_grad()
    (lp[item.correct[0]] - lp[item.incorrect[0]]).backward()
    monkeypatch.undo()
    found = attribute(model, [item])["heads", 0]

    def weights(query, key):
        return torch.softmax(query[:, :, -1:] @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, -1)

    repeated = model.heads_per_layer // seen[0][1].shape[1]
    for layer in range(1, model.n_layers):
        new, old = (
            (q, *(t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v)))
            for q, k, v in (clean[layer], seen[layer])
        )
        assert repeated >= 1
        gradient = units[layer].grad[0, -1].unflatten(-1, (model.heads_per_layer, -1))
        fixed = (weights(*new[:2]) @ new[2] - weights(*old[:2]) @ old[2])[0, :, 0]
        expected = (fixed * gradient).sum(-1)
        assert_same(found[layer], expected.detach())
        # Plain attribution patching of the same queries, keys and values.
        linear = 0
        for value, other in zip(seen[layer], clean[layer], strict=True):
            own = ((other - value) * value.grad).sum((0, 2, 3)).detach()
            linear = linear + own.sum()
        assert (linear - expected.sum()).abs() > 1e-3 * expected.abs().max()


def test_a_single_layer_is_refused():
    model = tiny_model(lambda: _build("Llama", num_hidden_layers=1, num_key_value_heads=2))
    with pytest.raises(UserError, match="one layer after another"):
        attribute(wrap_model(model, tiny_tokenizer(), name="m"), ITEMS[:1], estimator=AtpStar())
