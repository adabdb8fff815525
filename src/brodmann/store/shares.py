"""One pass, several jobs: which of its records are whose.

A *shard* is a pass that makes its share of the records, writes no manifest, and leaves a marker that says
what it did. The pass itself follows when all shards are through: it finds their records in the store, makes
what none of them did, and writes the manifest. Shares follow from what is to be made, not from what the store
lacks when a shard begins: every shard deals all records in the same way, and takes its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Share:
    """What one job does of a pass.

    ``number``: of a shard, from 1 to ``of``; 0 of the one that makes what all others need; -1 of the pass
    itself, which does everything that is left. ``marker``: where a shard says what it did. ``before``: the
    markers of the pass's shards.
    """

    number: int = -1
    of: int = 1
    marker: str = ""
    before: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether this is the pass itself."""
        return self.number < 0

    @property
    def prepares(self) -> bool:
        """Whether it only makes what all others need."""
        return self.number == 0

    def __str__(self) -> str:
        return "" if self.whole else f"{self.number} of {self.of}"


WHOLE = Share()


@dataclass(frozen=True)
class Marker:
    """The file that a shard leaves: ``results/{model}/.store/shards/{stage}.{number}-of-{of}.json``."""

    model: str
    stage: str
    number: int
    of: int

    @property
    def path(self) -> str:
        """Relative to the study."""
        name = f"{self.stage}.{self.number}-of-{self.of}.json"
        return f"results/{self.model}/.store/shards/{name}"

    @classmethod
    def all_in(cls, store: str | Path) -> list[Marker]:
        """Those that lie in a model's store (results/{model}/.store): of passes that are under way."""
        found = []
        for path in sorted(Path(store, "shards").glob("*.json")):
            stage, _, place = path.stem.rpartition(".")
            number, _, of = place.partition("-of-")
            if stage and number.isdecimal() and of.isdecimal():
                found.append(cls(Path(store).parent.name, stage, int(number), int(of)))
        return found


def is_marker(path: str) -> bool:
    """Whether a path is that of a marker."""
    return path.startswith("results/") and "/.store/shards/" in path


@dataclass(frozen=True)
class Load:
    """Records to be dealt: ``count`` of about the same ``cost``. ``block``: so many stay together; 0: all."""

    count: int
    cost: int = 1
    block: int = 0

    @property
    def each(self) -> int:
        """What a record costs; something, or all that cost nothing would go to one shard."""
        return max(1, self.cost)

    @property
    def all(self) -> int:
        """What it costs as a whole."""
        return self.count * self.each


class Deal:
    """Deals loads to shards, the costliest first, each to the shard that has least so far.

    A load that is too much for one shard is parted where its blocks allow it. What is dealt later is set on
    what was dealt before.
    """

    def __init__(self, of: int) -> None:
        self.costs = [0] * of  # of each shard, so far

    def __call__(self, loads: Sequence[Load]) -> list[list[tuple[int, range]]]:
        """Of each load, (number of a shard, from 1; its records) in order of the records."""
        total = sum(self.costs) + sum(load.all for load in loads)
        fair = total / len(self.costs)
        dealt: list[list[tuple[int, range]]] = [[] for _ in loads]
        costliest = sorted(range(len(loads)), key=lambda n: (-loads[n].all, n))
        for number in costliest:
            load, start = loads[number], 0
            while start < load.count:
                shard = min(range(len(self.costs)), key=lambda n: (self.costs[n], n))
                taken = load.count - start
                if load.block:
                    blocks = int((fair - self.costs[shard]) / (load.each * load.block))
                    taken = min(taken, max(1, blocks) * load.block)
                dealt[number].append((shard + 1, range(start, start + taken)))
                self.costs[shard] += taken * load.each
                start += taken
        return dealt
