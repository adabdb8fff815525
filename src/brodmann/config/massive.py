"""What is done with units of massive activations (docs/localizers.md); said by localizers and networks."""

from __future__ import annotations

from typing import Literal

KEEP, EXCLUDE, SEPARATE = "keep", "exclude", "separate"
# What a set of such units is called in tables and paths.
MASSIVE = "massive"
Massive = Literal["keep", "exclude", "separate"]


def massive_settings(value: Massive) -> dict[str, str]:
    """What it adds to settings that a stage depends on: nothing where such units are kept, as ever."""
    return {} if value == KEEP else {"massive": value}
