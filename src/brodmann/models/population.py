"""The units that a model has, of one kind: what sizes are shares of, and what random draws are made from.

Masks and tensors have as many places in every layer. Where some layers have fewer units (the blocks without
experts of a mixture, ``models.experts``) or none (the blocks of a hybrid without attention), places are
empty: no size counts them, and no draw gives one of them. Light: no torch here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from brodmann.sites import ALL_LEVELS, COMPONENTS

if TYPE_CHECKING:
    from brodmann.models.card import ModelCard


@dataclass(frozen=True)
class Population:
    """``width`` places in each of ``layers``; ``spans``: (first, count) of the runs of places that have a
    unit, in order, None where all have.

    Units are flat indices, layer * width + unit. The n-th unit is the n-th of those that exist.
    """

    layers: int
    width: int
    spans: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def of(cls, layers: int, width: int, widths: Sequence[int] | None = None) -> Population:
        """``widths``: the units of each layer, which are its first places; None where all are full."""
        return cls.joined([(width, widths)], layers)

    @classmethod
    def joined(cls, parts: Sequence[tuple[int, Sequence[int] | None]], layers: int) -> Population:
        """Of layers whose places are those of several parts, side by side: (width, widths) as above."""
        width = sum(own for own, _ in parts)
        if all(widths is None or set(widths) == {own} for own, widths in parts):
            return cls(layers, width)
        spans = []
        for layer in range(layers):
            first = layer * width
            for own, widths in parts:
                if count := own if widths is None else widths[layer]:
                    spans.append((first, count))
                first += own
        return cls(layers, width, tuple(spans))

    @classmethod
    def at(cls, card: ModelCard, site: str) -> Population:
        """Of a model's site."""
        return cls.of(card.n_layers, card.units_at(site), card.widths_at(site))

    @classmethod
    def of_level(cls, card: ModelCard, level: str) -> Population:
        """Of a circuit's component in a model, or of a level: of a whole layer one where it has any."""
        parts = []
        for part in ALL_LEVELS[level].parts:
            own = cls.at(card, COMPONENTS[part.component])
            counts = [own.units_of(layer) for layer in range(own.layers)]
            if part.whole:
                counts = [min(1, count) for count in counts]
            parts.append((part.count(own.width), counts))
        return cls.joined(parts, card.n_layers)

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, width)."""
        return self.layers, self.width

    @property
    def places(self) -> int:
        """Of all layers, empty or not."""
        return self.layers * self.width

    @cached_property
    def _spans(self) -> tuple[tuple[int, int], ...]:
        return ((0, self.places),) if self.spans is None else self.spans

    @cached_property
    def _starts(self) -> list[int]:
        """How many units there are before each span, and at last how many there are."""
        return list(accumulate((count for _, count in self._spans), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def units_of(self, layer: int) -> int:
        """How many a layer has."""
        return self.number((layer + 1) * self.width) - self.number(layer * self.width)

    def nth(self, number: int) -> int:
        """The n-th unit."""
        if self.spans is None:
            return number
        span = bisect_right(self._starts, number) - 1
        return self._spans[span][0] + number - self._starts[span]

    def number(self, unit: int) -> int:
        """Which a unit is: the inverse of ``nth``; of an empty place, how many units are before it."""
        if self.spans is None:
            return unit
        span = bisect_right(self._spans, (unit, self.places)) - 1
        if span < 0:
            return 0
        first, count = self._spans[span]
        return self._starts[span] + min(unit - first, count)

    def in_keys(self) -> dict[str, int]:
        """What sizes and draws add to a key: how many there are, where there are more places."""
        return {} if self.spans is None else {"units that exist": len(self)}

    @cached_property
    def exists(self) -> np.ndarray:
        """bool [places]: which have a unit."""
        found = np.zeros(self.places, dtype=bool)
        for first, count in self._spans:
            found[first : first + count] = True
        return found

    @cached_property
    def absent(self) -> np.ndarray:
        """int64: places without a unit."""
        return np.flatnonzero(~self.exists)

    @cached_property
    def units(self) -> np.ndarray:
        """int64: those that exist."""
        return np.flatnonzero(self.exists)
