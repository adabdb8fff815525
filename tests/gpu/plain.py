"""The published procedures, done plainly with transformers and hooks: what brodmann is timed against.

Batches of 8 items, padded on the right, every logit computed by the model's own (narrow) head. Nothing is
shared between items, answers, lesions or runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

BATCH = 8


@contextmanager
def own_head(hf: Any) -> Iterator[None]:
    """The head as the checkpoint has it: a linear layer in the model's dtype."""
    head = hf.get_output_embeddings()
    kind = head.__class__
    head.__class__ = nn.Linear
    try:
        yield
    finally:
        head.__class__ = kind


def batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Eight at a time, in their order."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, mask), int64 [rows, longest]."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
    mask = torch.tensor(
        [[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device
    )
    return ids, mask


def hidden_modules(model: Any) -> list[nn.Module]:
    """The modules that read the MLP's hidden neurons, by layer."""
    own = model.architecture
    return [
        model.hf.get_submodule(f"{own.blocks}.{layer}.{own.mlp_hidden}")
        for layer in range(model.n_layers)
    ]


@contextmanager
def hooked(
    modules: Sequence[nn.Module], change: Callable[[int, torch.Tensor], torch.Tensor]
) -> Iterator[None]:
    """``change(layer, values)`` replaces what each module reads."""

    def hook(layer: int) -> Callable[..., Any]:
        return lambda _, args: (change(layer, args[0]), *args[1:])

    handles = [module.register_forward_pre_hook(hook(n)) for n, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def answer_log_probs(
    logits: torch.Tensor, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> torch.Tensor:
    """float32 [rows]: of each answer after its prompt. Every logit is normalised, as published."""
    log_probs = logits.float().log_softmax(-1)
    found = []
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        places = torch.arange(len(prompt) - 1, len(prompt) - 1 + len(answer), device=logits.device)
        found.append(log_probs[row, places, torch.tensor(answer, device=logits.device)].sum())
    return torch.stack(found)


def attribution(model: Any, items: Sequence[Any]) -> torch.Tensor:
    """Mean attribution [layers, neurons]: per batch a clean run, then for either answer a forward and a
    backward pass over the whole corrupted sequence."""
    modules, device = hidden_modules(model), model.device
    total = torch.zeros(model.n_layers, model.neurons_per_layer, device=device)
    kept: dict[int, torch.Tensor] = {}

    def keep(layer: int, values: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and not values.requires_grad:
            values = values.detach().requires_grad_(True)
        kept[layer] = values
        return values

    with own_head(model.hf), hooked(modules, keep):
        for some in batches(items):
            last = torch.tensor([len(item.clean) - 1 for item in some], device=device)
            at = torch.arange(len(some), device=device), last
            ids, mask = padded([(*item.clean, *item.correct) for item in some], device)
            with torch.no_grad():
                model.hf(input_ids=ids, attention_mask=mask, use_cache=False)
            clean = [kept[n][at].clone() for n in range(model.n_layers)]
            answers = [(1.0, [item.correct for item in some])]
            if some[0].incorrect is not None:
                answers.append((-1.0, [item.incorrect for item in some]))
            for sign, own in answers:
                prompts = [item.corrupted for item in some]
                rows = [(*prompt, *answer) for prompt, answer in zip(prompts, own, strict=True)]
                ids, mask = padded(rows, device)
                with torch.enable_grad():
                    logits = model.hf(input_ids=ids, attention_mask=mask, use_cache=False).logits
                    metric = sign * answer_log_probs(logits, prompts, own).sum()
                    values = [kept[n] for n in range(model.n_layers)]
                    gradients = torch.autograd.grad(metric, values)
                for n, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
                    difference = clean[n].float() - value[at].detach().float()
                    total[n] += (difference * gradient[at].float()).sum(0)
                del logits, metric, values, gradients
    return total / len(items)


def ablation(model: Any, items: Sequence[Any], units: Sequence[int]) -> torch.Tensor:
    """float32 [items, 2]: log-probabilities of both answers of dual items under one lesion, whose units have
    their activations of the corrupted run: per batch and answer one run for these, one with them."""
    modules, device = hidden_modules(model), model.device
    width = model.neurons_per_layer
    by_layer: dict[int, torch.Tensor] = {}
    for layer in sorted({unit // width for unit in units}):
        own = sorted(unit % width for unit in units if unit // width == layer)
        by_layer[layer] = torch.tensor(own, device=device)
    kept: dict[int, torch.Tensor] = {}

    def keep(layer: int, values: torch.Tensor) -> torch.Tensor:
        kept[layer] = values
        return values

    def replace(layer: int, values: torch.Tensor) -> torch.Tensor:
        if layer not in by_layer:
            return values
        values = values.clone()
        values[:, :, by_layer[layer]] = kept[layer][:, :, by_layer[layer]]
        return values

    found = []
    with torch.no_grad(), own_head(model.hf):
        for some in batches(items):
            columns = []
            for name in ("correct", "incorrect"):
                answers = [getattr(item, name) for item in some]
                for prompts, change in (
                    ([item.corrupted for item in some], keep),
                    ([item.clean for item in some], replace),
                ):
                    rows = [(*p, *answer) for p, answer in zip(prompts, answers, strict=True)]
                    ids, mask = padded(rows, device)
                    with hooked(modules, change):
                        logits = model.hf(
                            input_ids=ids, attention_mask=mask, use_cache=False
                        ).logits
                columns.append(answer_log_probs(logits, [item.clean for item in some], answers))
            found.append(torch.stack(columns, dim=1))
    return torch.cat(found)
