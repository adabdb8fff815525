"""Writes an atlas: the page, and beside it its data, a script each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brodmann.atlas.collect import collect
from brodmann.atlas.encode import script
from brodmann.atlas.study import StudyFolder
from brodmann.files import atomic_folder

MANIFEST = "manifest"
DATA = "data"
PAGE = "index.html"


def write_atlas(
    output: str | Path,
    results: str | Path = "results",
    titles: Mapping[str, str] | None = None,
) -> None:
    """Rule ``atlas``: the atlas of a finished study, in the folder of ``output``, its page.

    The folder is made anew, so that no file of a former run stays behind.
    """
    study = StudyFolder(results, titles)
    with atomic_folder(Path(output).parent) as folder:
        data = folder / DATA
        data.mkdir(parents=True)

        def write(name: str, value: Any) -> None:
            (data / f"{name}.js").write_text(script(name, value), encoding="ascii")

        write(MANIFEST, collect(study, write))
        (folder / PAGE).write_text(page(), encoding="utf-8")


def page() -> str:
    """The page that ships with the package."""
    return (Path(__file__).parent / "bundle" / PAGE).read_text(encoding="utf-8")
