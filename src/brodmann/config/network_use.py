"""What is done with networks once they are found: the sub-blocks of ``networks:`` as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The keys of ``networks:`` that hold them.
NETWORK_USES = ("editing", "probing", "following")


@dataclass(frozen=True)
class EditingSettings:
    """``networks.editing:``, its tasks and files resolved."""

    inhibit: bool
    multiply: tuple[float, ...]
    add: tuple[float, ...]
    networks: bool  # each network by itself, or only sets of them
    tasks: tuple[str, ...]
    items: int
    passages: int | None  # of the corpus; None: all
    corpus: str  # a path
    seeds: tuple[int, ...]
    top_percent: float
    random_percent: float
    localizer: str | None  # whose most selective units the best ones are compared with

    @property
    def edits(self) -> tuple[tuple[str, float | None], ...]:
        """(how, amount) of each edit."""
        inhibited = [("inhibit", None)] if self.inhibit else []
        multiplied = [("multiply", amount) for amount in self.multiply]
        return (*inhibited, *multiplied, *[("add", amount) for amount in self.add])


@dataclass(frozen=True)
class ProbingSettings:
    """``networks.probing:``, its tasks resolved; without tasks nothing is probed."""

    tasks: tuple[str, ...]
    items: int
    folds: int
    seed: int


@dataclass(frozen=True)
class FollowingSettings:
    """``networks.following:``: networks' courses over texts."""

    texts: int  # of each dataset, for connectivity and fingerprints
    example: str | None  # a text file that is shown with each network's course; None: our own


@dataclass(frozen=True)
class NetworkUse:
    """What is done with networks."""

    editing: EditingSettings
    probing: ProbingSettings
    following: FollowingSettings

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkUse:
        """The inverse of ``dataclasses.asdict``, after JSON."""

        def plain(part: dict[str, Any]) -> dict[str, Any]:
            return {key: tuple(v) if isinstance(v, list) else v for key, v in part.items()}

        return cls(
            EditingSettings(**plain(values["editing"])),
            ProbingSettings(**plain(values["probing"])),
            FollowingSettings(**plain(values["following"])),
        )
