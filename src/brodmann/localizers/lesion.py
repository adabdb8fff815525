"""A lesion: chosen units of a running model held at zero, or at a mean, at every position.

    with lesion(model, [(0, 17), (12, 301)]):
        model.hf.generate(**inputs)

It holds for everything the model does in the block, whether through transformers or nnsight, with a KV
cache or without (a trace of a lesioned module itself shows what the module put out before the lesion).
Lesions may be nested.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from brodmann.errors import UserError, did_you_mean
from brodmann.localizers.texts import SITES
from brodmann.models.architecture import find_module
from brodmann.models.load import LoadedModel

KINDS = ("zero", "mean")


@contextmanager
def lesion(
    model: LoadedModel,
    units: Iterable[tuple[int, int]] | np.ndarray,
    *,
    site: str = "block_output",
    kind: str = "zero",
    means: np.ndarray | None = None,
) -> Iterator[None]:
    """Hold ``units`` at zero (or, with kind mean, at ``means`` [layers, units]) within the block.

    ``units``: (layer, unit) pairs, or a mask [layers, units] of truth values.
    """
    layers = _by_layer(model, units, site)
    if kind not in KINDS:
        raise UserError.at("kind", f"no kind of lesion '{kind}'", did_you_mean(kind, KINDS))
    if kind == "mean" and (means is None or means.shape != (model.n_layers, model.width(site))):
        raise ValueError("a lesion to the mean needs the means of all units [layers, units]")
    with ExitStack() as hooks:
        for layer, own in layers.items():
            given = np.zeros(len(own)) if kind == "zero" else means[layer][own]
            hooks.enter_context(_held(model, site, layer, own, given))
        yield


def _by_layer(
    model: LoadedModel, units: Iterable[tuple[int, int]] | np.ndarray, site: str
) -> dict[int, list[int]]:
    if site not in SITES:
        raise UserError.at("site", f"no site '{site}'", did_you_mean(site, SITES))
    shape = (model.n_layers, model.width(site))
    if isinstance(units, np.ndarray) and units.dtype == bool:
        if units.shape != shape:
            raise UserError.at(
                "units", f"the mask is {list(units.shape)}, {model.name} has {list(shape)} units"
            )
        units = np.argwhere(units)
    layers: dict[int, set[int]] = defaultdict(set)
    for layer, unit in units:
        if not (0 <= layer < shape[0] and 0 <= unit < shape[1]):
            raise UserError.at(
                "units",
                f"{model.name} has no unit {unit} in layer {layer}",
                f"it has {shape[0]} layers of {shape[1]} units; is the mask of another model?",
            )
        layers[int(layer)].add(int(unit))
    return {layer: sorted(own) for layer, own in sorted(layers.items())}


@contextmanager
def _held(
    model: LoadedModel, site: str, layer: int, units: list[int], values: np.ndarray
) -> Iterator[None]:
    place = torch.tensor(units, dtype=torch.long)
    given = torch.from_numpy(np.asarray(values, dtype=np.float64))
    on_device: dict[tuple[torch.device, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}

    def edit(value: torch.Tensor) -> torch.Tensor:
        # Units are the last dimension in every layout, and every position gets the same.
        key = (value.device, value.dtype)
        if key not in on_device:
            on_device[key] = place.to(value.device), given.to(value.dtype).to(value.device)
        index, new = on_device[key]
        # A copy: the module may hand on a view of something that others read.
        value = value.clone()
        value[..., index] = new
        return value

    module = find_module(model.hf, model.architecture.blocks)[layer]
    if site != "block_output":
        module = find_module(module, getattr(model.architecture, site))
    handle = _hook(module, edit, before=site == "mlp_hidden")
    try:
        yield
    finally:
        handle.remove()


def _hook(module: Any, edit: Callable[[torch.Tensor], torch.Tensor], *, before: bool) -> Any:
    def on_input(_: Any, inputs: tuple) -> tuple:
        return (edit(inputs[0]), *inputs[1:])

    def on_output(_: Any, __: Any, output: Any) -> Any:
        if isinstance(output, tuple | list):
            return (edit(output[0]), *output[1:])
        return edit(output)

    if before:
        return module.register_forward_pre_hook(on_input)
    return module.register_forward_hook(on_output)
