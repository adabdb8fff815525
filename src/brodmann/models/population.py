"""The units that a model has, of one kind: what random draws are made from. Light: no torch here.

Masks and tensors have as many places in every layer. Where some layers have fewer units (the blocks without
experts of a mixture, ``models.experts``), their last places are empty, and no draw gives one of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np


@dataclass(frozen=True)
class Population:
    """``width`` places in each of ``layers``; ``widths``: the units of each layer, None where all are full.

    Units are flat indices, layer * width + unit. The n-th unit is the n-th of those that exist.
    """

    layers: int
    width: int
    widths: tuple[int, ...] | None = None

    @classmethod
    def of(cls, layers: int, width: int, widths: Sequence[int] | None) -> Population:
        """See above."""
        return cls(layers, width, None if widths is None else tuple(widths))

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, width)."""
        return self.layers, self.width

    def units_of(self, layer: int) -> int:
        """How many a layer has."""
        return self.width if self.widths is None else self.widths[layer]

    @cached_property
    def _starts(self) -> list[int]:
        """How many there are below each layer, and at last how many there are."""
        return list(accumulate(map(self.units_of, range(self.layers)), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def nth(self, number: int) -> int:
        """The n-th unit."""
        layer = bisect_right(self._starts, number) - 1
        return layer * self.width + number - self._starts[layer]

    def number(self, unit: int) -> int:
        """Which a unit is: the inverse of ``nth``."""
        layer, place = divmod(unit, self.width)
        return self._starts[layer] + place

    @cached_property
    def absent(self) -> np.ndarray:
        """int64: places without a unit."""
        own = np.array([self.units_of(layer) for layer in range(self.layers)])
        return np.flatnonzero(np.arange(self.width)[None, :] >= own[:, None])
