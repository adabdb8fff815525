"""Texts with slots: ``The {noun.plural} near {Place}``.

A reference names a slot and, where the slot's entries have several forms, the form. A capital first
letter in the reference (``{Place}``) asks for the value with its first letter capitalised, so that one
lexicon entry serves both at the start of a sentence and inside it. Literal braces are doubled.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One ``{slot}`` or ``{slot.form}`` in a text."""

    slot: str
    form: str
    capital: bool

    def __str__(self) -> str:
        return f"{self.slot}.{self.form}" if self.form else self.slot


@dataclass(frozen=True)
class Template:
    """A parsed text: literal pieces and references, in order."""

    text: str
    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """The references in the order of the text."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def render(self, value_of: Callable[[Reference], str]) -> str:
        """The text with each reference replaced by ``value_of(reference)``."""
        pieces = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(part)
                continue
            value = value_of(part)
            pieces.append(value[:1].upper() + value[1:] if part.capital else value)
        return "".join(pieces)


def parse_reference(name: str) -> Reference:
    """Parse the inside of the braces; raises ValueError with a message for the author."""
    slot, dot, form = name.partition(".")
    pieces = [slot, form] if dot else [slot]
    if not all(piece.isidentifier() for piece in pieces):
        raise ValueError(f"'{{{name}}}' is not a slot; write {{slot}} or {{slot.form}}")
    return Reference(slot[0].lower() + slot[1:], form, capital=slot[0].isupper())


def parse_template(text: str) -> Template:
    """Parse ``text``; raises ValueError with a message for the author."""
    parts: list[str | Reference] = []
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError(
            "unbalanced brace; slots are written {slot}, a literal brace is doubled"
        ) from None
    for literal, name, spec, conversion in pieces:
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if spec or conversion:
            raise ValueError(f"'{{{name}}}' takes no format; a literal brace is doubled")
        parts.append(parse_reference(name))
    return Template(text, tuple(parts))
