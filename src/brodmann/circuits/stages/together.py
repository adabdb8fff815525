"""Items of several tasks that are run at once: each task alone would leave much of a GPU idle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brodmann.runner.bench import Bench
from brodmann.runner.encode import EncodedItem

# Trees that a batch of tasks may fill, at two tokens for a node: what a killed pass computes again at most.
_TREES = 2


@dataclass(frozen=True)
class Joined:
    """The items of several lists, one after another; ``starts``: where each list begins, and the end."""

    items: list[EncodedItem]
    starts: list[int]

    @classmethod
    def of(cls, lists: Iterable[Sequence[EncodedItem]]) -> Joined:
        """All of them, in order."""
        items: list[EncodedItem] = []
        starts = [0]
        for own in lists:
            items += own
            starts.append(len(items))
        return cls(items, starts)

    def place(self, number: int) -> tuple[int, int]:
        """(which list, which of its items) an item is."""
        which = bisect_right(self.starts, number) - 1
        return which, number - self.starts[which]

    def split(self, numbers: Sequence[int]) -> dict[int, tuple[list[int], list[int]]]:
        """List -> (rows of ``numbers`` that are of it, which of its items these are)."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for row, number in enumerate(numbers):
            which, own = self.place(number)
            rows, items = found.setdefault(which, ([], []))
            rows.append(row)
            items.append(own)
        return found


def fit(bench: Bench, lists: Iterable[Sequence[EncodedItem]]) -> bool:
    """Whether the prompts of these lists fill few trees of the engine's size; what they share is not seen."""
    aligned = (item for items in lists for item in items if item.aligned)
    return sum(2 * len(item.clean) for item in aligned) <= 2 * _TREES * bench.engine.nodes
