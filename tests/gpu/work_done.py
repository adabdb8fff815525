"""How much a model really ran, whoever ran it: counted at the last matrix of every MLP and at the head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gpu.shapes import Shape


@dataclass
class WorkDone:
    """Tokens through blocks, summed over blocks, forwards and with gradients; positions through the head."""

    shape: Shape
    block_tokens: int = 0
    differentiated: int = 0
    positions: int = 0
    passes: int = 0

    def add(self, other: WorkDone) -> None:
        """What another run did."""
        self.block_tokens += other.block_tokens
        self.differentiated += other.differentiated
        self.positions += other.positions
        self.passes += other.passes

    @property
    def tokens(self) -> float:
        """Through the whole model, on average over its blocks."""
        return self.block_tokens / self.shape.layers

    @property
    def operations(self) -> float:
        """Of all matrix products with weights.

        A backward pass to activations costs as much as a forward pass: weights have no gradients.
        """
        blocks = 2 * self.shape.block_parameters * (self.block_tokens + self.differentiated)
        return blocks + 2 * self.shape.head_parameters * self.positions


@contextmanager
def counted(hf: Any, shape: Shape) -> Iterator[WorkDone]:
    """Count within the block. A block that is skipped is not counted."""
    import torch

    found = WorkDone(shape)

    def block(_: Any, args: tuple[Any, ...]) -> None:
        values = args[0]
        tokens = values.shape[:-1].numel()
        found.block_tokens += tokens
        if torch.is_grad_enabled() and values.requires_grad:
            found.differentiated += tokens

    def head(_: Any, args: tuple[Any, ...], logits: Any) -> None:
        # What it puts out: it may be given fewer positions by a hook that comes after this one.
        found.passes += 1
        positions = logits.shape[:-1].numel()
        backward = torch.is_grad_enabled() and args[0].requires_grad
        found.positions += positions * (2 if backward else 1)

    handles = [
        module.register_forward_pre_hook(block)
        for name, module in hf.named_modules()
        if name.endswith("mlp.down_proj")
    ]
    if not handles:
        raise RuntimeError("no mlp.down_proj: nothing can be counted")
    handles.append(hf.get_output_embeddings().register_forward_hook(head))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
