"""Tokens highlighted by a network's course, as a page that stands alone: no script, no request, any text.

Every text is escaped; what has no shape of its own (line ends, control and direction marks) is shown by a
sign. A character that took several tokens is one cell with a stripe per token.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.networks.pieces import Piece

# Blue and orange are told apart by everybody.
POSITIVE, NEGATIVE = (213, 94, 0), (0, 114, 178)
_STRONGEST = 0.85

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.9 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }}
h1 {{ font-size: 1.4rem; line-height: 1.3; }}
h2 {{ font-size: 1rem; margin: 1.6rem 0 .2rem; line-height: 1.3; }}
p.note {{ color: #555; font-size: .85rem; line-height: 1.4; margin: .2rem 0; }}
p.text {{ margin: .3rem 0; overflow-wrap: anywhere; }}
p.text span {{ border-radius: 3px; padding: .1em 0; white-space: pre-wrap; unicode-bidi: isolate;
  box-shadow: inset -1px 0 0 rgba(0,0,0,.12); }}
p.text span.special {{ color: #777; font-size: .75em; }}
table {{ border-collapse: collapse; font-size: .85rem; line-height: 1.4; }}
td, th {{ border: 1px solid #ccc; padding: .2rem .5rem; text-align: right; }}
td:first-child, th:first-child {{ text-align: left; }}
</style>
</head>
<body>
"""


@dataclass(frozen=True)
class Course:
    """A heading, remarks, and one value per token."""

    heading: str
    note: str
    values: np.ndarray


def page(title: str, intro: str, pieces: Sequence[Piece], courses: Sequence[Course]) -> str:
    """A document with the text once for each course."""
    parts = [f'<p class="note">{html.escape(intro)}</p>\n']
    for course in courses:
        parts.append(f"<h2>{html.escape(course.heading)}</h2>\n")
        if course.note:
            parts.append(f'<p class="note">{html.escape(course.note)}</p>\n')
        parts.append(highlighted(pieces, course.values))
    return document(title, "".join(parts))


def document(title: str, body: str) -> str:
    """A page that stands alone; ``body`` is HTML, the title is not."""
    head = _HEAD.format(title=html.escape(title))
    return f"{head}<h1>{html.escape(title)}</h1>\n{body}</body>\n</html>\n"


def highlighted(pieces: Sequence[Piece], values: np.ndarray) -> str:
    """One paragraph; of the ``values`` [tokens] the strongest has the strongest colour."""
    top = float(np.abs(values).max()) if len(values) else 0.0
    cells, start = [], 0
    for piece in pieces:
        own = values[start : start + piece.tokens]
        start += piece.tokens
        text = html.escape(visible(piece.text))
        said = html.escape(", ".join(f"{value:+.3g}" for value in own))
        kind = ' class="special"' if piece.special else ""
        lines = "<br>" * piece.text.count("\n")
        style = _background([_shade(value, top) for value in own])
        cells.append(f'<span{kind} title="{said}" style="{style}">{text}</span>{lines}')
    return f'<p class="text" dir="auto">{"".join(cells)}</p>\n'


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
