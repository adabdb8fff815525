"""Which of a task's used items find its circuit, and which measure it. Light.

Without a split they are the same items (as published). With one, half of the independent groups go to
either side, decided by a hash of the group's name: the same halves for every model and machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from brodmann.files import digest


def circuit_items(used: Sequence[int], groups: Sequence[str], split: bool) -> list[int]:
    """The item ids on which the circuit is found."""
    return _halves(used, groups)[0] if split else list(used)


def effect_items(used: Sequence[int], groups: Sequence[str], split: bool) -> list[int]:
    """The item ids on which effects are measured."""
    return _halves(used, groups)[1] if split else list(used)


def group_of(groups: Sequence[str], number: int) -> str:
    """The group of an item; items of a task without groups are each their own."""
    return groups[number] if groups else str(number)


def _halves(used: Sequence[int], groups: Sequence[str]) -> tuple[list[int], list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for number in used:
        members[group_of(groups, number)].append(number)
    if len(members) < 2:
        members = {str(number): [number] for number in used}
    sides: tuple[list[int], list[int]] = ([], [])
    for name in sorted(members, key=digest):
        min(sides, key=len).extend(members[name])
    return sorted(sides[0]), sorted(sides[1])
