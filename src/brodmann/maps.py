"""The maps: packages that find units, each in its own way; found by having ``stages``, a module or a folder.

What its ``__init__`` says of it is read here, by all that stands below the maps and asks for it:

METHODS    its methods, each with its version (``methods.py`` says what these are for)
Settings   the class of its section of the config, a ``MapSection``; the section's key is the map's name

So an ``__init__`` imports nothing heavy, and of brodmann only ``config.section`` and what that imports.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

# What sets maps beside each other, and tests them, has stages, too, and runs after them.
AFTER = ("comparison", "statistics")
# Here and there the word means another thing.
_OTHERS = ("config", "pipeline")


def _found() -> tuple[str, ...]:
    names = {place.parent.name for place in Path(__file__).parent.glob("*/stages*")}
    return tuple(sorted(names.difference(AFTER, _OTHERS)))


# By name, in which order they run.
MAPS = _found()


def what_maps_say(name: str) -> dict[str, Any]:
    """Map -> the value of this name in its ``__init__``; without the maps that have none."""
    packages = {one: import_module(f"brodmann.{one}") for one in MAPS}
    return {one: getattr(found, name) for one, found in packages.items() if hasattr(found, name)}
