"""The report as parts (sections, figures, tables), and their HTML: one file, no script, no request."""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from brodmann.errors import UserError
from brodmann.files import REBUILD, write_text

# A page holds this much of pictures (base64); what is beyond it, the last ones, are links to files beside it.
MOST_BYTES = 20_000_000
# A longer table is folded.
LONG_TABLE = 60
# Figures are drawn in inches at this many dots each, and shown at CSS's 96 per inch, a little larger.
_DOTS_PER_INCH = 300
_SHOWN = 96 * 1.25


@dataclass(frozen=True)
class Picture:
    """A figure with its caption; ``path`` is its PNG."""

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
    def data(self) -> str:
        """The PNG in 256 colours, base64: a quarter of the size, and the same to the eye."""
        content = self._content()
        try:
            with Image.open(io.BytesIO(content)) as image:
                reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        except (OSError, SyntaxError, ValueError):  # what Pillow says of a file that was cut
            raise UserError.at(str(self.path), "is damaged", REBUILD) from None
        stream = io.BytesIO()
        reduced.save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode("ascii")

    @property
    def width(self) -> int:
        """Width on the page in CSS pixels."""
        pixels = struct.unpack(">I", self._content()[16:20])[0]
        return round(pixels / _DOTS_PER_INCH * _SHOWN)

    def _content(self) -> bytes:
        content = self.path.read_bytes()
        if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 24:
            raise UserError.at(str(self.path), "is not a PNG file", REBUILD)
        return content


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
    """A table; ``text_columns`` are set flush left and may wrap. ``source``: its data, a file of results."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: frozenset[int] = frozenset({0})
    source: str = ""


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
    """``text`` with no-break spaces inside "54 %" and "p = 0.06", which no line may part."""
    text = re.sub(r"(?<=[\d–]) (?=%)", "\u00a0", text)
    return re.sub(r"\b([pqnk]) ([=<]) (?=[\d.])", "\\1\u00a0\\2\u00a0", text)


def embedded(page: Page, most: int) -> dict[Path, str]:
    """Base64 of the pictures that the page holds: those of the story first, then what is opened on demand.

    From the first that would not fit within ``most`` bytes on, none is.
    """
    story = [picture for section in page.sections for picture in section.figures]
    folded = [
        picture for section in page.sections for group in section.more for picture in group.figures
    ]
    found: dict[Path, str] = {}
    total = 0
    for picture in [*story, *folded]:
        if picture.path in found:
            continue
        data = picture.data
        total += len(data)
        if total > most:
            break
        found[picture.path] = data
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
