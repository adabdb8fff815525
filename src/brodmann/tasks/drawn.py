"""What dice draw by the word of a data file: values, one after another, and texts made of them.

An entry is a list, of which one is drawn; or text, an expression (Jinja) of what stands above it, which may
ask the dice: ``between(low, high)``, ``below(n)``, ``choice(list)``, ``shuffled(list)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from yaml import safe_load

from brodmann.tasks.dice import Dice

_WORDS = Environment(undefined=StrictUndefined, autoescape=False)


def read(module: str) -> Any:
    """The data file beside a module: ``module`` is its ``__file__``."""
    return safe_load(Path(module).with_suffix(".yaml").read_text(encoding="utf-8"))


def text(written: str) -> Template:
    """A text with places for what was drawn."""
    return _WORDS.from_string(written)


def _drawing(written: Any) -> Callable[[Mapping[str, Any]], Any]:
    """What an entry becomes, given what stands above it."""
    if isinstance(written, list):
        return lambda known: known["choice"](written)
    return _WORDS.compile_expression(str(written), undefined_to_none=False)


class Drawn:
    """The entries of a data file, by name, in the order in which they are drawn."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._drawings = {name: _drawing(written) for name, written in entries.items()}

    def values(self, dice: Dice, **known: Any) -> dict[str, Any]:
        """All of them by these dice, and what was ``known`` before."""
        asked = (dice.between, dice.below, dice.choice, dice.shuffled)
        found = {**{ask.__name__: ask for ask in asked}, **known}
        for name, drawing in self._drawings.items():
            found[name] = drawing(found)
        return found
