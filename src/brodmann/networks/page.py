"""Tokens highlighted by a network's course, as a page that stands alone: no script, no request, any text.

Every text is escaped; what has no shape of its own (line ends, control and direction marks) is shown by a
sign. A character that took several tokens is one cell with a stripe per token.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from brodmann.networks.pieces import Piece
from brodmann.numerals import minus

# Blue and orange are told apart by everybody.
POSITIVE, NEGATIVE = (213, 94, 0), (0, 114, 178)
_STRONGEST = 0.85


@dataclass(frozen=True)
class Course:
    """A heading, remarks, and one value per token."""

    heading: str
    note: str
    values: np.ndarray


def page(title: str, intro: str, pieces: Sequence[Piece], courses: Sequence[Course]) -> str:
    """A document with the text once for each course."""
    return document("course", title=title, intro=intro, pieces=pieces, courses=courses)


def document(template: str, **values: Any) -> str:
    """One of ``pages`` filled in: it stands alone, and every value is escaped but what is marked as HTML."""
    environment = Environment(
        loader=PackageLoader("brodmann.networks", "pages"),
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else html.escape(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"visible": visible, "highlighted": highlighted, "minus": minus}
    return environment.get_template(f"{template}.html.j2").render(values)


def highlighted(pieces: Sequence[Piece], values: np.ndarray) -> Markup:
    """One paragraph; of the ``values`` [tokens] the strongest has the strongest colour."""
    top = float(np.abs(values).max()) if len(values) else 0.0
    cells, start = [], 0
    for piece in pieces:
        own = values[start : start + piece.tokens]
        start += piece.tokens
        text = html.escape(visible(piece.text))
        said = html.escape(", ".join(minus(f"{value:+.3g}") for value in own))
        kind = ' class="special"' if piece.special else ""
        lines = "<br>" * piece.text.count("\n")
        style = _background([_shade(value, top) for value in own])
        cells.append(f'<span{kind} title="{said}" style="{style}">{text}</span>{lines}')
    return Markup(f'<p class="text" dir="auto">{"".join(cells)}</p>')


def visible(text: str) -> str:
    """Text in which nothing is hidden and nothing changes what stands around it."""
    return "".join(_sign(character) for character in text)


def _sign(character: str) -> str:
    if character == "\n":
        return "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
    if character == "\t":
        return "\N{RIGHTWARDS ARROW TO BAR}"
    kind = unicodedata.category(character)
    if kind in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        # Joiners are part of how words and emoji are written.
        return character if character in "\u200c\u200d" else f"<U+{ord(character):04X}>"
    return character


def _shade(value: float, top: float) -> str:
    red, green, blue = POSITIVE if value >= 0 else NEGATIVE
    share = abs(float(value)) / top if top > 0 and np.isfinite(value) else 0.0
    return f"rgba({red},{green},{blue},{_STRONGEST * share:.3f})"


def _background(shades: Sequence[str]) -> str:
    if len(shades) == 1:
        return f"background:{shades[0]}"
    step = 100 / max(1, len(shades))
    stops = [
        f"{shade} {step * place:.4g}% {step * (place + 1):.4g}%"
        for place, shade in enumerate(shades)
    ]
    return f"background:linear-gradient(90deg,{','.join(stops)})"
