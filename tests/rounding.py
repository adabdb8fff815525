"""When two computations found the same number: on every processor, whatever its BLAS rounds.

Two computations of one number need not agree to the last bit: kernels differ between processors, batch
shapes, threads, and even between weights that are frozen or not, or whose memory is aligned or not. What
they must agree to is the rounding of the dtype, measured against the largest of the numbers that are
compared: an element near zero is the difference of large ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from brodmann.models.load import LoadedModel

# Error that a network of a few layers may pile up, as a share of the largest number: about a thousand
# times the dtype's epsilon, and far below what a wrong weight, unit or token makes of the result.
SHARES = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1}


def rounding(dtype: torch.dtype = torch.float32) -> float:
    """The largest difference of two computations in ``dtype``, as a share of the largest number."""
    return SHARES[dtype]


def deviation(found: Any, expected: Any) -> float:
    """Largest difference of two arrays (or tensors, or nested lists) as a share of the largest number."""
    found, expected = _numbers(found), _numbers(expected)
    assert found.shape == expected.shape
    assert np.isfinite(found).all() and np.isfinite(expected).all()
    scale = np.abs(expected).max(initial=0.0)
    difference = np.abs(found - expected).max(initial=0.0)
    return float(difference / scale) if scale else float(difference)


def assert_same(found: Any, expected: Any, dtype: torch.dtype = torch.float32) -> None:
    """Both are the same numbers, but for rounding in ``dtype``."""
    seen = deviation(found, expected)
    assert seen <= rounding(dtype), f"they differ by {seen:.2g} of the largest number"


def computes_in(model: LoadedModel) -> torch.dtype:
    """float64 if a forward pass of a float64 model stays in it, else float32.

    Many models take norms or attention in float32, whatever their weights are in.
    """
    watch = _Watch()
    with torch.no_grad(), watch:
        model.hf(input_ids=torch.tensor([[5, 6, 7, 8]]))
    return torch.float32 if torch.float32 in watch.seen else torch.float64


class _Watch(TorchDispatchMode):
    """Notes the dtypes of all floats that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                self.seen.add(value.dtype)
        return result


def _numbers(values: Any) -> np.ndarray:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=float)
