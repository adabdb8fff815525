"""What every unit does at every token of one text, whatever the model is edited to do elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from brodmann.circuits.encode import Ids
from brodmann.models.architecture import SEQUENCE_FIRST, find_module
from brodmann.models.load import LoadedModel


def text_signals(model: LoadedModel, ids: Ids, site: str) -> np.ndarray:
    """float32 [tokens, layers, units] of ``site``."""
    blocks = find_module(model.hf, model.architecture.blocks)
    sequence_first = model.architecture.layout == SEQUENCE_FIRST
    found = np.zeros((len(ids), model.n_layers, model.width(site)), dtype=np.float32)

    def keep(layer: int, value: Any) -> None:
        value = value[0] if isinstance(value, tuple | list) else value
        # A text is one row, in whichever dimension rows are.
        found[:, layer] = (value[:, 0] if sequence_first else value[0]).float().cpu().numpy()

    handles = []
    for layer, block in enumerate(blocks):
        path = "" if site == "block_output" else getattr(model.architecture, site)
        module = find_module(block, path)
        if site == "mlp_hidden":
            hook = module.register_forward_pre_hook(lambda _, a, n=layer: keep(n, a[0]))
        else:
            hook = module.register_forward_hook(lambda _, __, out, n=layer: keep(n, out))
        handles.append(hook)
    try:
        with torch.inference_mode():
            model.hf(input_ids=torch.tensor([ids], device=model.device))
    finally:
        for handle in handles:
            handle.remove()
    return found
