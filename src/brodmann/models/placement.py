"""Where a model's weights lie, and where its modules compute: on one device, on several, or offloaded.

A model larger than one device is spread over several by accelerate. What does not fit at all is *offloaded*:
its weights wait in host memory or on disk, and come to a device only while their module runs. Until then they
are on torch's ``meta`` device, which has shapes and no numbers: code that reads a weight, or asks where
inputs belong, must not take a parameter's word for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from brodmann.errors import UserError, did_you_mean


def placement(
    device_map: str | Mapping[str, Any] | None,
    device: str,
    max_memory: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """How ``from_pretrained`` places the weights; nothing for a plain load into host memory."""
    if device_map is None:
        target = find_device(device)
        # Straight from the file to the accelerator, tensor by tensor: no copy of the model on the host.
        return {"device_map": {"": target}} if target.type == "cuda" else {}
    if not isinstance(device_map, str):
        device_map = {module: _numbered(place) for module, place in device_map.items()}
    chosen: dict[str, Any] = {"device_map": device_map}
    if max_memory:
        chosen["max_memory"] = {_numbered(place): size for place, size in max_memory.items()}
    return chosen


def _numbered(place: Any) -> Any:
    """GPUs go by their number; a config that has been through JSON holds it as text."""
    return int(place) if isinstance(place, str) and place.isdecimal() else place


def find_device(device: str) -> torch.device:
    """The device to run on.

    ``auto`` never picks Apple's MPS: it has no float64, and its kernels round differently from one
    release to the next; whoever wants its speed asks for it by name.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
    except RuntimeError:
        hint = did_you_mean(device, ["auto", "cpu", "cuda", "cuda:0", "mps"])
        raise UserError.at("execution.device", f"unknown device '{device}'", hint) from None
    missing = (
        (target.type == "cuda" and (target.index or 0) >= torch.cuda.device_count())
        or (target.type == "mps" and not torch.backends.mps.is_available())
        or target.type == "meta"
    )
    if missing:
        fix = "use auto, or cpu"
        raise UserError.at("execution.device", f"this machine has no device '{device}'", fix)
    return target


def offloaded(module: nn.Module) -> bool:
    """Whether some weights of a module (or of one within it) are not on any device."""
    return any(parameter.is_meta for parameter in module.parameters())


def compute_device(module: nn.Module) -> torch.device | None:
    """The device on which a module's own weights are while it runs; None for one without weights."""
    hook = getattr(module, "_hf_hook", None)
    for one in getattr(hook, "hooks", (hook,)):
        if getattr(one, "offload", False) and one.execution_device is not None:
            return torch.device(one.execution_device)
    weights = next(module.parameters(recurse=False), None)
    return None if weights is None or weights.is_meta else weights.device


def compute_devices(model: nn.Module) -> tuple[torch.device, ...]:
    """Every device on which a part of the model runs, in the model's order."""
    found = (compute_device(module) for module in model.modules())
    return tuple(dict.fromkeys(device for device in found if device is not None))


def input_device(model: Any) -> torch.device:
    """Where a transformers model's token ids belong: with its embedding."""
    try:
        found = compute_device(model.get_input_embeddings())
    except NotImplementedError:  # a checkpoint's own code: the embedding comes first
        found = None
    return found if found is not None else compute_devices(model)[0]


@contextmanager
def resident(module: nn.Module) -> Iterator[nn.Module]:
    """A module whose own weights are there, to be read, for as long as the block lasts."""
    if not any(parameter.is_meta for parameter in module.parameters(recurse=False)):
        yield module
        return
    from accelerate.utils import align_module_device

    with align_module_device(module):
        yield module
