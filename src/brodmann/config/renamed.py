"""Keys of the config that had another name in an earlier version; the policy is in CONTRIBUTING.md.

A study with an old key ends with a line that says the new one. The old value is not taken over: a study's
file says what is run.
"""

from __future__ import annotations

from typing import NamedTuple

from brodmann.config.source import KeyPath


class Renamed(NamedTuple):
    """What a key is called now, in full, and the first version that calls it so."""

    new: str
    since: str


# Old key -> what it is called now; * stands for a name that a user gives, such as a model's.
RENAMED: dict[str, Renamed] = {}


def now_called(path: KeyPath) -> Renamed | None:
    """The present name of the key at ``path``, if it is an old one, with the user's own names put in."""
    for old, renamed in RENAMED.items():
        steps = old.split(".")
        if len(steps) != len(path) or any(
            step not in ("*", str(part)) for step, part in zip(steps, path, strict=True)
        ):
            continue
        given = iter(str(part) for step, part in zip(steps, path, strict=True) if step == "*")
        new = [next(given, step) if step == "*" else step for step in renamed.new.split(".")]
        return Renamed(".".join(new), renamed.since)
    return None
