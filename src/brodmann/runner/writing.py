"""Where MLP neurons write: the link between circuits (neurons) and localized units (of the residual stream).

A neuron of layer l adds its activation times its write vector, a column of the MLP's output projection, to
the residual stream. Its *written share* on a set of units is the share of the vector's squared length that
lies on those units of its own layer's output: 1 if it writes on nothing else, and on average the share of the
layer's units that are in the set. A norm that some models apply to what the MLP puts out is left aside.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from brodmann.models.architecture import module_at
from brodmann.models.load import LoadedModel
from brodmann.models.placement import resident


def written_share(model: LoadedModel, units: Iterable[tuple[int, int]]) -> np.ndarray:
    """Share of every neuron's write vector on ``units`` (layer, dimension): float32 [layers, neurons].

    NaN for layers whose MLP has no single output projection of that shape (mixtures of experts).
    """
    chosen: dict[int, list[int]] = {layer: [] for layer in range(model.n_layers)}
    for layer, unit in units:
        chosen[layer].append(unit)
    shares = np.full((model.n_layers, model.neurons_per_layer), np.nan, dtype=np.float32)
    for layer, own in chosen.items():
        architecture = model.architecture
        path = f"{architecture.blocks}.{layer}.{architecture.mlp_hidden}"
        # Offloaded weights are nowhere until they are asked for.
        with resident(module_at(model.hf, path)) as module:
            weight = _output_projection(model, module)
            if weight is None:
                continue
            squares = weight.float().square()  # [hidden, neurons]
        total = squares.sum(0)
        part = squares[own].sum(0) if own else torch.zeros_like(total)
        shares[layer] = torch.where(total > 0, part / total, torch.nan).cpu().numpy()
    return shares


def _output_projection(model: LoadedModel, module: torch.nn.Module) -> torch.Tensor | None:
    """[hidden, neurons] of a layer's projection, whichever way round the module keeps it."""
    from transformers.pytorch_utils import Conv1D

    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return None
    if isinstance(module, Conv1D):
        weight = weight.T
    expected = (model.hidden_size, model.neurons_per_layer)
    return weight.detach() if tuple(weight.shape) == expected else None
