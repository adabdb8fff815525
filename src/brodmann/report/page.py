"""The report as parts (sections, figures, tables), and their HTML: one file, no script, no request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from brodmann.errors import UserError
from brodmann.figures.registry import NOTHING
from brodmann.files import REBUILD, read_text, write_text

# A page holds this much of pictures (SVG); what is beyond it, the last ones, are links to files beside it.
MOST_BYTES = 20_000_000
# A longer table is folded.
LONG_TABLE = 60
# So many columns have room side by side where a page is 420 pixels wide.
NARROW = 3
# More columns have room on a screen of 1280 pixels only if they stand closer.
DENSE = 11
# Figures are drawn in points, and shown at CSS's 96 pixels for 72 of them, a little larger.
_SHOWN = 96 / 72 * 1.25
# Of a page of 420 pixels, what is left for a figure.
_PHONE = 372
_SVG = re.compile(r'<svg [^>]*?width="([\d.]+)pt"[^>]*>.*</svg>\s*', re.DOTALL)


@dataclass(frozen=True)
class Picture:
    """A figure with its caption; ``path`` is its SVG."""

    path: Path
    title: str
    caption: str
    folder: str = "figures"  # in results, where its data lie

    @property
    def anchor(self) -> str:
        """Name of the place in the page."""
        own = "" if self.folder == "figures" else self.folder
        return anchor(f"{own} {self.path.stem}")

    @property
    def source(self) -> str:
        """The file with the figure's data."""
        return f"{self.folder}/{self.path.with_suffix('.csv').name}"

    @property
    def file(self) -> str:
        """The picture's own file, relative to the page."""
        return f"{self.folder}/{self.path.name}"

    @property
    def drawn(self) -> bool:
        """Whether it shows something."""
        return f'id="{NOTHING}"' not in self.data

    @cached_property
    def data(self) -> str:
        """The SVG: its text can be searched, and values are shown where a reader points."""
        text = read_text(self.path)
        if not _SVG.fullmatch(text):
            raise UserError.at(str(self.path), "is not a whole SVG file", REBUILD)
        return text

    @property
    def width(self) -> int:
        """Width on the page in CSS pixels."""
        found = _SVG.match(self.data)
        assert found
        return round(float(found[1]) * _SHOWN)

    @property
    def scrolls(self) -> bool:
        """Whether a phone shows a part of it: type is not shrunk below the size of print."""
        return self.width / 1.25 > _PHONE


@dataclass(frozen=True)
class Link:
    """A cell that leads to a file beside the page, or (``#...``) to a place in it."""

    text: str
    href: str


@dataclass(frozen=True)
class Marked:
    """A cell of text in which some parts are marked: (text, whether it is)."""

    parts: Sequence[tuple[str, bool]]


Cell = str | Link | Marked


@dataclass(frozen=True)
class Table:
    """A table; ``text_columns`` are set flush left and may wrap; the one that is ``roomy`` is wider.
    ``source``: its data, a file of results."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: frozenset[int] = frozenset({0})
    source: str = ""
    roomy: int = -1

    @property
    def cards(self) -> bool:
        """Whether a phone shows a card for each row, for it has no room for the columns side by side."""
        return len(self.heads) > NARROW or len(self.text_columns) == len(self.heads)

    @property
    def dense(self) -> bool:
        """Whether columns stand closer, so that a screen shows them all."""
        return len(self.heads) > DENSE


@dataclass(frozen=True)
class Group:
    """What a reader opens on demand; ``links``: pages beside the report."""

    title: str
    lead: Sequence[str] = ()
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    text: str = ""
    links: Sequence[Link] = ()

    @property
    def anchor(self) -> str:
        """Name of the place in the page."""
        return anchor(self.title)

    def __bool__(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.lead or self.figures or self.tables or self.text or self.links)


@dataclass(frozen=True)
class Section:
    """One step of the story: what was found, the figure and table that show it, and what stands behind."""

    title: str
    lead: Sequence[str] = ()
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Group] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        """Name of the place in the page."""
        return anchor(self.title)


@dataclass(frozen=True)
class Page:
    """The whole report. ``banner``: what a reader must know first; ``terms`` and ``columns``: words, and
    heads of tables, with what they mean."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    banner: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


def anchor(text: str) -> str:
    """``text`` as the name of a place in a page."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def unbroken(text: str) -> str:
    """``text`` with no-break spaces inside "54 %", "5.1 × 10⁷", "[1.1, 14.6]" and "p = 0.06", which no line
    may part."""
    text = re.sub(r"(?<=[\d–]) (?=%)|(?<=\d) (?=× \d)|(?<=×) (?=\d)", "\u00a0", text)
    text = re.sub(r"(?<=\[)([−\d.]+,) (?=[−\d.]+\])", "\\1\u00a0", text)
    return re.sub(r"\b([pqnk]) ([=<]) (?=[\d.])", "\\1\u00a0\\2\u00a0", text)


def embedded(page: Page, most: int) -> dict[Path, Markup]:
    """The SVG of the pictures that the page holds: those of the story first, then what is opened on demand.

    From the first that would not fit within ``most`` bytes on, none is.
    """
    story = [picture for section in page.sections for picture in section.figures]
    folded = [
        picture for section in page.sections for group in section.more for picture in group.figures
    ]
    found: dict[Path, Markup] = {}
    total = 0
    for picture in [*story, *folded]:
        if picture.path in found:
            continue
        data = picture.data
        total += len(data.encode())
        if total > most:
            break
        found[picture.path] = Markup(data)
    return found


def write_page(
    output: str | Path, page: Page, template: str | Path, most: int = MOST_BYTES
) -> None:
    """Fill the template. All text is escaped: names come from configs, task files and checkpoints.

    ``most``: bytes of pictures in the page; the others are linked.
    """
    template = Path(template)
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    environment.filters |= {"unbroken": unbroken, "anchor": anchor}
    environment.tests |= {
        "link": lambda cell: isinstance(cell, Link),
        "marked": lambda cell: isinstance(cell, Marked),
    }
    text = environment.get_template(template.name).render(
        page=page, pictures=embedded(page, most), long_table=LONG_TABLE
    )
    write_text(output, text)
