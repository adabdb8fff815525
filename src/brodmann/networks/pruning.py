"""Pruning: MLP neurons that belong to no network are taken out of a model, for good.

Every layer keeps the same number of neurons, since the configuration of nearly every architecture has one
width for all of them: such a checkpoint is smaller, and loads with stock code. If the first and last layers
are to stay whole, widths would differ; the neurons that the other layers lose are then zeroed where they
are, and the checkpoint is as large as before. In both cases the logits are those of the model with these
neurons inhibited. With compensation the output projection's bias takes over what they added on average,
W_down · mean: the logits are then those of holding them at their means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from brodmann.errors import UserError
from brodmann.models.load import LoadedModel
from brodmann.models.module_tree import find_module

# Layers that stay whole at either end, if any do.
WHOLE_FIRST, WHOLE_LAST = 3, 2
# What configurations call the number of neurons.
_WIDTHS = ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "d_ff")


def kept_neurons(height: np.ndarray, ratio: float, *, whole_ends: bool = False) -> np.ndarray:
    """Which neurons stay: bool [layers, neurons]. ``height`` [layers, neurons]: the highest |z| over a
    layer's networks, of which the highest stay, whatever threshold that takes; equal ones by place.

    ``ratio``: the share of a layer's neurons that goes.
    """
    n_layers, width = height.shape
    if not 0 < ratio < 1:
        raise UserError.at("ratio", f"is {ratio:g}", "it is a share, above 0 and below 1")
    # 0.29 * 100 is 28.999999999999996.
    count = width - int(ratio * width + 1e-9)
    kept = np.zeros(height.shape, dtype=bool)
    best = np.argsort(-height, axis=1, kind="stable")[:, :count]
    np.put_along_axis(kept, best, True, axis=1)
    if whole_ends:
        if n_layers <= WHOLE_FIRST + WHOLE_LAST:
            what = f"the model has {n_layers} layers, of which {WHOLE_FIRST + WHOLE_LAST} would stay whole"
            raise UserError.at("whole ends", what, "prune without this option")
        kept[:WHOLE_FIRST] = kept[-WHOLE_LAST:] = True
    return kept


def random_kept(like: np.ndarray, seed: int) -> np.ndarray:
    """As many neurons of each layer as in ``like`` (bool [layers, neurons]), drawn at random."""
    dice = np.random.default_rng(seed)
    return np.stack([dice.permutation(own) for own in like])


@dataclass(frozen=True)
class _MLP:
    """The modules of one block between which the neurons lie."""

    down: nn.Module
    up: tuple[tuple[nn.Module, int], ...]  # and how many neurons' worth it puts out side by side


def prune(model: LoadedModel, kept: np.ndarray, means: np.ndarray | None = None) -> bool:
    """Change ``model`` in place; returns whether it is smaller now (else neurons were zeroed).

    ``means`` [layers, neurons]: compensate for the mean activations of what is taken out.
    """
    mlps = [_mlp(model, layer) for layer in range(model.n_layers)]
    sizes = set(kept.sum(1).tolist())
    narrow = len(sizes) == 1
    config = model.hf.config.get_text_config()
    if narrow:
        width = sizes.pop()
        for name in _width_names(model, config):
            setattr(config, name, width)
    if means is not None:
        _give_biases(model, config, mlps)
    for mlp, own, mean in zip(
        mlps, kept, np.zeros(kept.shape) if means is None else means, strict=True
    ):
        if means is not None:
            _compensate(mlp.down, own, mean)
        (_narrow if narrow else _silence)(mlp, own)
    return narrow


def _mlp(model: LoadedModel, layer: int) -> _MLP:
    path = model.architecture.mlp_hidden
    block = find_module(model.hf, f"{model.architecture.blocks}.{layer}")
    down = find_module(block, path)
    parent = find_module(block, path.rpartition(".")[0])
    n = model.neurons_per_layer
    wide = {(n, model.hidden_size): 1, (2 * n, model.hidden_size): 2}
    up = [
        (module, wide[shape])
        for module in (() if parent is None else parent.modules())
        if module is not down and (shape := _shape(module)) in wide
    ]
    if down is None or _shape(down) != (model.hidden_size, n) or not up:
        raise UserError.at(
            f"models.{model.name}",
            f"the MLP of an architecture like {model.architecture.name} cannot be pruned",
            "its neurons must lie between plain projections",
        )
    return _MLP(down, tuple(up))


def _shape(module: nn.Module) -> tuple[int, int] | None:
    """(outputs, inputs) of a projection, whichever way round it keeps them."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return None
    first, second = weight.shape
    return (second, first) if _turned(module) else (first, second)


def _turned(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, Conv1D)


def _width_names(model: LoadedModel, config: Any) -> list[str]:
    n = model.neurons_per_layer
    names = [name for name in _WIDTHS if getattr(config, name, None) == n]
    # GPT-2's relatives: none means four times the hidden size.
    names = names or [name for name in _WIDTHS if getattr(config, name, n) is None]
    if not names:
        raise UserError.at(
            f"models.{model.name}",
            "its configuration has no width of the MLP that could be made smaller",
            "keep the ends whole: neurons are then zeroed where they are",
        )
    return names


def _give_biases(model: LoadedModel, config: Any, mlps: list[_MLP]) -> None:
    """Every projection a bias of zeros, where the stock architecture can be told to have them."""
    if all(getattr(mlp.down, "bias", None) is not None for mlp in mlps):
        return
    if getattr(config, "mlp_bias", None) is not False:
        raise UserError.at(
            f"models.{model.name}",
            "its MLP has no bias and its configuration cannot give it one",
            "prune without compensation",
        )
    config.mlp_bias = True
    for mlp in mlps:
        for module in (mlp.down, *[up for up, _ in mlp.up]):
            weight = _tensor(module, "weight")
            outputs = weight.shape[int(_turned(module))]
            module.bias = _parameter(weight.new_zeros(outputs))


def _compensate(down: nn.Module, kept: np.ndarray, mean: np.ndarray) -> None:
    weight = _tensor(down, "weight")
    matrix = (weight.T if _turned(down) else weight).double().cpu()
    lost = torch.from_numpy(np.where(kept, 0.0, mean))
    added = _tensor(down, "bias").double().cpu() + matrix @ lost
    down.bias = _parameter(added.to(weight.dtype).to(weight.device))


def _narrow(mlp: _MLP, kept: np.ndarray) -> None:
    stay = torch.from_numpy(np.flatnonzero(kept))
    for module, times in mlp.up:
        rows = torch.cat([stay + part * len(kept) for part in range(times)])
        _select(module, rows, outputs=True)
    _select(mlp.down, stay, outputs=False)


def _select(module: nn.Module, index: torch.Tensor, *, outputs: bool) -> None:
    weight = _tensor(module, "weight")
    index = index.to(weight.device)
    dimension = int(outputs == _turned(module))
    module.weight = _parameter(weight.index_select(dimension, index).contiguous())
    bias = getattr(module, "bias", None)
    if outputs and bias is not None:
        module.bias = _parameter(bias.detach()[index].contiguous())
    # What modules remember of their sizes.
    for name in ("nf", "out_features") if outputs else ("nx", "in_features"):
        if hasattr(module, name):
            setattr(module, name, len(index))


def _silence(mlp: _MLP, kept: np.ndarray) -> None:
    weight = _tensor(mlp.down, "weight").clone()
    gone = torch.from_numpy(np.flatnonzero(~kept)).to(weight.device)
    weight.index_fill_(0 if _turned(mlp.down) else 1, gone, 0.0)
    mlp.down.weight = _parameter(weight)


def _tensor(module: nn.Module, name: str) -> torch.Tensor:
    """A projection's weight [outputs, inputs] (turned: [inputs, outputs]) or bias [outputs]."""
    value = getattr(module, name)
    assert isinstance(value, torch.Tensor)
    return value.detach()


def _parameter(value: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(value, requires_grad=False)
