"""Which of a task's used items find its circuit, and which measure it. Light.

Without a split they are the same items (as published). With one, half of the independent groups go to
either side, decided by a hash of the group's name alone: the same halves for every model and machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from brodmann.files import digest
from brodmann.tasks.items import group_of


def circuit_items(used: Sequence[int], groups: Sequence[str], split: bool) -> list[int]:
    """The item ids on which the circuit is found."""
    return [number for number in used if not split or not _measures(group_of(groups, number))]


def effect_items(used: Sequence[int], groups: Sequence[str], split: bool) -> list[int]:
    """The item ids on which effects are measured."""
    return [number for number in used if not split or _measures(group_of(groups, number))]


def _measures(group: str) -> bool:
    """Which half a group belongs to: the same whatever else there is."""
    return int(digest(["split", group])[:8], 16) % 2 == 1
