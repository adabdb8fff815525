"""Which of a site's dimensions a rank holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Share:
    """Which dimensions of a site of ``width`` this rank has: ``here`` of them, from ``first`` on."""

    width: int
    first: int
    here: int

    @classmethod
    def of(cls, width: int, value: Any) -> Share:
        """By a value [..., dimensions that are here]."""
        here = value.shape[-1]
        if here == width:
            return cls(width, 0, width)
        import torch.distributed as dist

        return cls(width, here * dist.get_rank(), here)

    @property
    def all(self) -> bool:
        """Whether it is all of them."""
        return self.here == self.width

    def own(self, dimensions: Any) -> tuple[Any, Any]:
        """Which of some dimensions (a tensor) it has, and where they are within it."""
        which = (dimensions >= self.first) & (dimensions < self.first + self.here)
        return which, dimensions[which] - self.first

    def whole(self, value: Any) -> Any:
        """A value [..., here] put together from all ranks': [..., width]."""
        if self.all:
            return value
        import torch
        import torch.distributed as dist

        value = value.contiguous()
        parts = [torch.empty_like(value) for _ in range(self.width // self.here)]
        dist.all_gather(parts, value)
        return torch.cat(parts, dim=-1)
