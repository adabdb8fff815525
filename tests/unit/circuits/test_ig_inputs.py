"""Integrated gradients of the input, against whole sequences run step by step with mixed embeddings."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from example_items import ITEMS, SINGLE, attribute, item
from reference import _goals, _lp, _run
from rounding import assert_same
from tiny_models import VOCABULARY

from brodmann.circuits.estimators.inputs import InputGradients
from brodmann.errors import UserError

STEPS = 2
TWICE = item("a cat is in", "a dog is up", "ab", "cd")


def naive(model, it, component, positions):
    """Midpoints of equal steps; embeddings are mixed at all positions, also where both are the same."""
    [embed] = (own for own in model.hf.modules() if getattr(own, "num_embeddings", 0) == VOCABULARY)
    with torch.no_grad():
        _, clean = _run(model, it.clean, component=component)
        _, corrupted = _run(model, it.corrupted, component=component)
        ends = [embed(torch.tensor([ids])) for ids in (it.clean, it.corrupted)]
    total = 0
    for step in range(STEPS):
        way = (step + 0.5) / STEPS
        for sign, answer in _goals(it):

            def mix(_, __, output, way=way):
                output = output.clone()
                output[:, : len(it.clean)] = way * ends[0] + (1 - way) * ends[1]
                return output

            def leaf(layer, value):
                return value if value.requires_grad else value.detach().requires_grad_(True)

            handle = embed.register_forward_hook(mix)
            with torch.enable_grad():
                logits, units = _run(model, it.corrupted + answer, leaf, component)
                values = [units[layer] for layer in range(model.n_layers)]
                metric = sign * _lp(logits, it.corrupted, answer)
                gradients = torch.autograd.grad(metric, values)
            handle.remove()
            total = total + torch.stack(
                [
                    ((clean[n][0, positions] - corrupted[n][0, positions]) * g[0, positions]).sum(0)
                    for n, g in enumerate(gradients)
                ]
            )
    if component == "heads":
        total = total.unflatten(-1, (model.heads_per_layer, model.head_dim)).sum(-1)
    return total / STEPS


@pytest.mark.parametrize(
    ("family", "positions"),
    [("llama", "last"), ("llama", "all"), ("gpt2", "last"), ("gemma3", "all"), ("chatglm", "last")],
)
def test_equals_the_naive_implementation(models, family, positions):
    """Packed and row by row, with scaled embeddings (Gemma) and learned positions (GPT-2)."""
    model = models(family)
    items = [ITEMS[2], ITEMS[7], TWICE, SINGLE[0]][: 4 if family == "llama" else 2]
    found = attribute(model, items, estimator=InputGradients(STEPS), positions=positions)
    for number, it in enumerate(items):
        length = len(it.clean)
        at = list(range(length)) if positions == "all" else [length - 1]
        for component in ("neurons", "heads"):
            assert_same(found[component, number], naive(model, it, component, at))
    plain = attribute(model, items[:1], positions=positions)["neurons", 0]
    assert (plain - found["neurons", 0]).abs().max() > 1e-3 * plain.abs().max()


def test_a_model_that_several_processes_share_is_refused(models):
    """In one line, before anything is run."""
    shared = replace(models("llama"), ranks=SimpleNamespace(inside=True))
    run = SimpleNamespace(model=shared)
    with pytest.raises(UserError, match=r"ig_inputs does not work with llama.*device_map"):
        InputGradients(STEPS).contributions(run, None)


def test_prompts_that_are_the_same_have_no_score(models):
    same = item("a cat", "a cat", "x", "y")
    found = attribute(models("llama"), [same], estimator=InputGradients(STEPS))
    assert found["neurons", 0].abs().max() < 1e-5
