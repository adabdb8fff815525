"""Writes an atlas: the page, and beside it its data, a script each; or both in a single file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brodmann.atlas.collect import collect
from brodmann.atlas.encode import inline, script
from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError
from brodmann.files import atomic_folder, atomic_path, read_text

MANIFEST = "manifest"
DATA = "data"
PAGE = "index.html"
# In the page, around the script of the manifest: what a single file replaces by all data.
_FROM, _TO = "<!--data-->", "<!--/data-->"


def write_atlas(
    output: str | Path,
    *,
    results: str | Path = "results",
    titles: Mapping[str, str] | None = None,
) -> None:
    """Rule ``atlas``: the atlas of a finished study, in the folder of ``output``, its page.

    The folder is made anew, so that no file of a former run stays behind. ``titles``: of tasks.
    """
    study, place = StudyFolder(results, titles), Path(output).parent
    with _saying("written", place), atomic_folder(place) as folder:
        _write(folder, study, place)


def write_single(output: str | Path, results: str | Path) -> None:
    """The whole atlas in one file."""
    study, place = StudyFolder(results), Path(output).resolve().parent
    with _saying("written", output):
        place.mkdir(parents=True, exist_ok=True)
        # Beside it: folders for temporary files may be too small.
        with tempfile.TemporaryDirectory(prefix=".atlas.", dir=place) as aside:
            _write(Path(aside), study, output)
            join(aside, output)


def _write(folder: Path, study: StudyFolder, output: str | Path) -> None:
    """``output``: what errors name, as ``folder`` is there for a moment only."""
    data = folder / DATA
    data.mkdir(parents=True)

    def write(name: str, value: Any) -> None:
        text = script(name, value)
        with _saying("written", output):
            (data / f"{name}.js").write_text(text, encoding="ascii")

    with _saying("read"):
        manifest = collect(study, write)
    write(MANIFEST, manifest)
    (folder / PAGE).write_text(page(), encoding="utf-8")


@contextmanager
def _saying(how: str, place: str | Path | None = None) -> Iterator[None]:
    """What the disk refuses is an error of one line; it names ``place``, or the file itself."""
    try:
        yield
    except OSError as error:
        where = str(place or error.filename or "a file of results")
        raise UserError.at(where, f"cannot be {how}: {error.strerror or error}") from None


def join(folder: str | Path, output: str | Path) -> None:
    """The atlas in ``folder`` as a single file, which the page reads piece by piece when it shows it."""
    text = read_text(Path(folder, PAGE))
    head, start, rest = text.partition(_FROM)
    _, end, tail = rest.partition(_TO)
    if not (start and end):
        raise UserError.at(str(Path(folder, PAGE)), "is not the page of an atlas")
    files = sorted(
        Path(folder, DATA).glob("*.js"), key=lambda file: (file.stem != MANIFEST, file.stem)
    )
    with atomic_path(output) as temporary, open(temporary, "w", encoding="utf-8") as handle:
        handle.write(head)
        for file in files:
            text = file.read_text(encoding="ascii")
            handle.write(f"<script>{text}</script>\n" if file.stem == MANIFEST else inline(text))
        handle.write(tail)


def page() -> str:
    """The page that ships with the package: built from atlas/ (``make atlas``)."""
    return read_text(Path(__file__).parent / "bundle" / PAGE)
