"""Random draws that are the same on every platform and Python version."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_CHUNK = 1 << 32


class Dice:
    """Draws built on ``random.Random.random()`` alone.

    That method's sequence for a text seed is the one that Python promises to keep; ``choice``,
    ``shuffle`` and ``sample`` carry no such promise.
    """

    def __init__(self, *seed: object) -> None:
        self._random = random.Random("/".join(str(part) for part in seed)).random

    def below(self, n: int) -> int:
        """A number from 0 to n - 1."""
        if n <= _CHUNK:
            return int(self._random() * n)
        value, span = 0, 1
        while span < n * _CHUNK:  # the spare chunk makes the bias of the remainder negligible
            value = value * _CHUNK + int(self._random() * _CHUNK)
            span *= _CHUNK
        return value % n

    def between(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of ``options``."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The options in random order."""
        options = list(options)
        return [options[index] for index in self.permutation(len(options))]

    def permutation(self, n: int) -> Iterator[int]:
        """0 .. n - 1 in random order, lazily: ``n`` may be far too large to list."""
        moved: dict[int, int] = {}
        for place in range(n):
            other = place + self.below(n - place)
            yield moved.get(other, other)
            moved[other] = moved.pop(place, place)
