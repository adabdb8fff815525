"""Where MLP neurons write: the link between circuits (neurons) and localized units (of the residual stream).

A neuron of layer l adds its activation times its write vector, a column of the MLP's output projection, to
the residual stream. Its *written share* on a set of units is the share of the vector's squared length that
lies on those units of its own layer's output: 1 if it writes on nothing else, and on average the share of the
layer's units that are in the set. A norm that some models apply to what the MLP puts out is left aside.

What a neuron *promotes* is read off by the logit lens: its write vector goes through the final norm and the
LM head, as if nothing came between. An active neuron raises the logits of what it promotes and lowers those
of what it suppresses; where its activation is negative, it is the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brodmann.models.architecture import module_at
from brodmann.models.head import head_product
from brodmann.models.load import LoadedModel
from brodmann.models.placement import resident
from brodmann.models.split import whole
from brodmann.runner.ranks.marked import on_all_ranks


@on_all_ranks
def written_share(model: LoadedModel, units: Iterable[tuple[int, int]]) -> np.ndarray:
    """Share of every neuron's write vector on ``units`` (layer, dimension): float32 [layers, neurons].

    NaN for layers whose MLP has no output projection of that shape, and for neurons that a layer has not.
    """
    chosen: dict[int, list[int]] = {layer: [] for layer in range(model.n_layers)}
    for layer, unit in units:
        chosen[layer].append(unit)
    shares = np.full((model.n_layers, model.neurons_per_layer), np.nan, dtype=np.float32)
    for layer, own in chosen.items():
        # Offloaded weights are nowhere until they are asked for.
        with resident(_writer(model, layer)) as module:
            for first, weight in _output_projections(model, layer, module):
                squares = weight.float().square()  # [hidden, neurons]
                total = squares.sum(0)
                part = squares[own].sum(0) if own else torch.zeros_like(total)
                share = torch.where(total > 0, part / total, torch.nan)
                shares[layer, first : first + len(total)] = share.cpu().numpy()
    return shares


@dataclass(frozen=True)
class Promoted:
    """What one neuron promotes and suppresses: tokens with the change of their logit, strongest first."""

    layer: int
    unit: int
    promotes: list[tuple[str, float]]
    suppresses: list[tuple[str, float]]


def promoted(
    model: LoadedModel, units: Sequence[tuple[int, int]], number: int
) -> Iterator[Promoted]:
    """The ``number`` tokens of both kinds, for each neuron (layer, unit).

    None for neurons without a write vector, or a model without a plain LM head.
    """
    tokens = len(model.tokenizer)
    for layer, unit in units:
        logits = _logits_of(model, layer, unit)
        if logits is None:
            yield Promoted(layer, unit, [], [])
            continue
        # A head may be padded beyond the vocabulary.
        values = logits[:tokens]
        sides = [torch.topk(sign * values, min(number, len(values))) for sign in (1, -1)]
        raised, lowered = (
            [
                (str(model.tokenizer.decode([token])), sign * change)
                for token, change in zip(side.indices.tolist(), side.values.tolist(), strict=True)
            ]
            for sign, side in zip((1, -1), sides, strict=True)
        )
        yield Promoted(layer, unit, raised, lowered)


@on_all_ranks
def _logits_of(model: LoadedModel, layer: int, unit: int) -> torch.Tensor | None:
    """Those of a neuron's write vector; None without one, or without a plain LM head."""
    vector = write_vector(model, layer, unit)
    return None if vector is None else _through_the_head(model, vector)


@on_all_ranks
def write_vector(model: LoadedModel, layer: int, unit: int) -> torch.Tensor | None:
    """float32 [hidden]: what a neuron of activation 1 adds to the residual stream; of an expert's neuron,
    where the expert has a weight of 1. None of a neuron that the layer has not."""
    with resident(_writer(model, layer)) as module:
        for first, weight in _output_projections(model, layer, module):
            if first <= unit < first + weight.shape[1]:
                return weight[:, unit - first].float().clone()
    return None


def _through_the_head(model: LoadedModel, vector: torch.Tensor) -> torch.Tensor | None:
    """float32 [vocabulary]: the logits of a direction of the residual stream, on the CPU."""
    size = vector.square().mean().sqrt()
    if not size > 0:
        return None
    with torch.no_grad():
        vector = vector / size  # no norm's epsilon counts
        norm = module_at(model.hf, model.architecture.final_norm)
        with resident(norm):
            place = next(norm.parameters(), vector)
            rows = torch.stack([vector, torch.zeros_like(vector)]).to(place.device, place.dtype)
            # Its bias, if it has one, says nothing of the vector.
            scaled = norm(rows).float()
        change = scaled[0] - scaled[1]
        logits = head_product(model.hf, change[None, :])
    return None if logits is None else logits[0].float().cpu()


def _writer(model: LoadedModel, layer: int) -> torch.nn.Module:
    """The module that holds the output projection of a layer's neurons, or those of its experts."""
    if model.experts is not None and model.experts.has(layer):
        path = f"{model.architecture.blocks}.{layer}.{model.experts.paths[layer]}"
    else:
        path = model.path("mlp_hidden", layer)
    module: torch.nn.Module = module_at(model.hf, path)
    return module


def _output_projections(
    model: LoadedModel, layer: int, module: torch.nn.Module
) -> Iterator[tuple[int, torch.Tensor]]:
    """(number of the first neuron, [hidden, neurons]) of a layer's projection, whichever way round the module
    keeps it; one after another of experts. None where it is no matrix of the expected shape."""
    from transformers.pytorch_utils import Conv1D

    if model.experts is not None and model.experts.has(layer):
        down: torch.Tensor = module.down_proj.detach()  # type: ignore[operator]
        for expert, weight in enumerate(down):
            yield expert * model.experts.neurons, weight.T if module.is_transposed else weight
        return
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return
    if isinstance(module, Conv1D):
        weight = weight.T
    if tuple(weight.shape) == (model.hidden_size, model.own_width("mlp_hidden", layer)):
        yield 0, whole(weight.detach())
