"""FP8 weights of which the last blocks are not whole.

A scale is that of a block of a weight, of 128 rows and columns in most checkpoints. Where a shape is no
multiple of a block, its last blocks are smaller. transformers unpacks such weights as if blocks were all of
one size, which the number of scales says: 192 rows of two scales would be two blocks of 96.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def blocks_of_their_size() -> Iterator[None]:
    """Let transformers unpack them by the size of blocks that their configuration says."""
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize

    original = Fp8Dequantize._dequantize_one

    def unpack(
        own: Any,
        packed: torch.Tensor,
        scales: torch.Tensor,
        output_dtype: torch.dtype | None = None,
    ) -> torch.Tensor:
        block = own.hf_quantizer.quantization_config.weight_block_size
        shape = packed.shape
        if not block or packed.ndim < 2 or scales.ndim < 2 or not packed.is_floating_point():
            return original(own, packed, scales, output_dtype)
        grid = [-(-length // size) for length, size in zip(shape[-2:], block, strict=True)]
        if grid != list(scales.shape[-2:]):  # of blocks of another size
            return original(own, packed, scales, output_dtype)
        whole = [parts * size for parts, size in zip(grid, block, strict=True)]
        padded = packed.new_zeros(*shape[:-2], *whole)
        padded[..., : shape[-2], : shape[-1]] = packed
        found = original(own, padded, scales, output_dtype)
        return found[..., : shape[-2], : shape[-1]].contiguous()

    Fp8Dequantize._dequantize_one = unpack
    try:
        yield
    finally:
        Fp8Dequantize._dequantize_one = original
