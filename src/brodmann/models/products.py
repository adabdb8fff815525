"""Matrix products with narrow numbers, in float32, on the matrix units of a GPU.

A product of two bf16 (or fp16) numbers is exact in float32, and the matrix units add such products in
float32. So they give what a float32 product of the same numbers gives, but for the order of the sums, at many
times its speed. A float32 factor goes the same way as three bf16 matrices, which together are exactly it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import torch

# Products that the matrix units add up at a time. They cut what a sum loses instead of rounding it, so that
# errors grow with the length of a sum; pieces are added with rounding.
_LONGEST_SUM = 4096


@cache
def sums_in_float32(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether narrow matrices of ``dtype`` have float32 products here: tried once, on one that would show it.

    The sum, 66564, is none of fp16 (beyond its range) or bf16 (rounded to 66560).
    """
    if device.type != "cuda":
        return False
    factor = torch.full((16, 16), 64.5, dtype=dtype, device=device)
    try:
        found = product(factor, factor)
    except (TypeError, RuntimeError):  # a torch without it, a card without it
        return False
    return found.dtype == torch.float32 and bool((found == 16 * 64.5**2).all())


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """float32 [n, m] of narrow matrices [n, k] and [k, m]."""
    return torch.mm(left, right, out_dtype=torch.float32)


def narrow_by_narrow(rows: torch.Tensor, weight: torch.Tensor, most: int) -> torch.Tensor:
    """Narrow rows [n, width] times a matrix [vocabulary, width] of their dtype: float32 [n, vocabulary].

    Beside what it returns, about ``most`` float32 values are held at a time.
    """
    first, *others = pieces(rows.shape[1], _LONGEST_SUM)
    found = product(rows[:, first], weight[:, first].T)
    if others:
        for part in pieces(len(weight), most // max(1, len(rows))):
            for piece in others:
                found[:, part] += product(rows[:, piece], weight[part, piece].T)
    return found


def wide_by_narrow(rows: torch.Tensor, weight: torch.Tensor, most: int) -> torch.Tensor:
    """float32 rows [n, vocabulary] times a bf16 matrix [vocabulary, width]: float32 [n, width].

    Beside what it returns, about ``most`` float32 values are held at a time.
    """
    found = rows.new_zeros(len(rows), weight.shape[1])
    # Columns that are split take three times their own bytes: what is left of them, before and after a part
    # is taken off, and two bf16 parts.
    for columns in pieces(len(weight), min(_LONGEST_SUM, most // 3 // max(1, len(rows)))):
        for part in thirds(rows[:, columns]):
            found += product(part, weight[columns])
    return found


def thirds(values: torch.Tensor) -> Iterator[torch.Tensor]:
    """Three bf16 tensors whose sum is a float32 one: 8 of its 24 bits each, the leading ones first.

    The sum is exact down to bf16's smallest number, 9e-41. A value above bf16's largest, 3.39e38, becomes one
    that is not finite.
    """
    left = values
    for _ in range(2):
        part = left.bfloat16()
        yield part
        left = left - part
    yield left.bfloat16()


def pieces(length: int, at_once: int) -> list[slice]:
    """Slices of ``length``, ``at_once`` long each: whole 64s, on which matrix units work, where it can be."""
    at_once = max(1, at_once if at_once < 64 else at_once // 64 * 64)
    return [slice(*ends) for ends in pairwise([*range(0, length, at_once), length])]
