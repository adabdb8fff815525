"""Finding modules in a model's tree by their dotted paths, and how wide they are. Light: no torch here."""

from __future__ import annotations

import re
from typing import Any

from brodmann.models.dimensions import first_number

# In the names of modules that read images or sounds.
TOWER = re.compile(r"vision|visual|image|audio|speech", re.IGNORECASE)


def find_module(root: Any, path: str) -> Any | None:
    """The module at a dotted path below ``root``; None if there is none."""
    module = root
    for part in path.split(".") if path else ():
        module = getattr(module, "_modules", {}).get(part)
        if module is None:
            return None
    return module


def module_at(root: Any, path: str) -> Any:
    """The module at a path that the architecture names; where there is none, an error that says so."""
    module = find_module(root, path)
    if module is None:
        raise LookupError(f"{type(root).__name__} has no module '{path}'")
    return module


def is_list(module: Any) -> bool:
    """A ``ModuleList`` (or what behaves like one): sized, indexed by number."""
    children = getattr(module, "_modules", {})
    return hasattr(module, "__len__") and list(children) == [str(n) for n in range(len(children))]


def input_width(module: Any) -> int | None:
    """The input width of a linear projection (``Linear`` or GPT-2's ``Conv1D``), else None."""
    return first_number(module, ("in_features", "nx"))


def output_width(module: Any) -> int | None:
    """The output width of a linear projection, else None."""
    return first_number(module, ("out_features", "nf"))
