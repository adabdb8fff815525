"""From a unit's activations at every token to one number per text."""

from __future__ import annotations

import torch

from brodmann.config.localizer import POOLINGS


def pool(values: torch.Tensor, pooling: str) -> torch.Tensor:
    """float64 [texts, units] of activations [texts, tokens, units]; every position is a token of the text.

    Pooling comes before the absolute value: of a mean, the units' signs count.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"unknown pooling '{pooling}'")
    # Apple's devices have no float64.
    values = values.cpu() if values.device.type == "mps" else values
    if pooling == "last-token":
        # A copy: some models go on to change the activations in place.
        return values[:, -1].to(torch.float64, copy=True)
    return values.double().mean(1) if pooling == "mean" else values.double().sum(1)
