"""Which way of sharing a model among GPUs is faster: its layers in turn, or every layer at the same time.

Layers in turn: one GPU computes while the others wait, so that n of them have the rate of one. Tensor
parallel: each does an n-th of the products with weights, and twice in every block the parts of the residual
stream are summed over all GPUs, which moves 2 (n - 1) / n of it. Seconds of a token that goes through P
parameters in L blocks, with a residual stream of h numbers of b bytes:

    layers in turn      2 P / rate
    tensor parallel     2 P / (n rate)  +  2 L 2 (n - 1) / n  h b / link

A backward pass computes and sums as much again, so that the ratio stays. Not counted: the start of each sum
(some microseconds, little beside a batch of thousands of tokens), attention, and neurons or heads that are
put together where they are read.
"""

from __future__ import annotations

from brodmann.capacity.sizes import ModelSize

# Operations a second of baselines in bf16 on an H100 (docs/performance.md).
RATE = 3e14
# Bytes a second that a sum over all GPUs of a node reaches: NVLink of an H100, and PCIe 5.
NVLINK, PCIE = 3e11, 2.5e10


def gain(size: ModelSize, gpus: int, link: float, rate: float = RATE) -> float:
    """How many times as fast as layers in turn tensor parallel is."""
    own = size.widths
    in_turn = 2 * (size.active or size.parameters) / rate
    summed = 2 * own.layers * 2 * (gpus - 1) / gpus * own.hidden * own.dtype
    return in_turn / (in_turn / gpus + summed / link)


def advice(size: ModelSize, gpus: int) -> str:
    """The two ways in words, for so many GPUs."""
    fast, slow = gain(size, gpus, NVLINK), gain(size, gpus, PCIE)
    return (
        f"{gpus} GPUs have the rate of one with their layers in turn; with parallel: tensor about "
        f"{fast:.1f} times that over NVLink, {slow:.1f} times over PCIe (for families that can be split)"
    )
