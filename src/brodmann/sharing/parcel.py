"""What is shared of a finished study: its files of results, and beside them what says what they are.

README.md                 for people; on the hub the card of the data set
ro-crate-metadata.json    for machines: RO-Crate 1.1, every file with its size and SHA-256
.zenodo.json              for Zenodo
manifest-sha256.txt       as sha256sum writes it, of all other files
results/...               all that the study holds, less its store and paths of the machine that made it
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError
from brodmann.files import file_digest
from brodmann.sharing import describe
from brodmann.sharing.describe import About, File
from brodmann.sharing.private import Paths

MANIFEST = "manifest-sha256.txt"
RESULTS = "results"
# Beside folders of results, the one hidden file that is part of them.
_SOURCE = ".source.json"
# What readers look for first, and how it is made where it is missing.
WANTED = {
    "report.html": "snakemake report",
    "atlas/index.html": "brodmann atlas RESULTS",
    "methods.md": "snakemake report",
}


@dataclass(frozen=True)
class Parcel:
    """``files``: name in the archive -> where it is, or what it holds without paths of this machine;
    ``texts``: what is written for the archive itself; ``hashes``: SHA-256 of both, but of the manifest."""

    files: dict[str, Path | bytes]
    texts: dict[str, bytes]
    hashes: dict[str, str]
    size: int  # bytes of the files of results
    missing: tuple[str, ...]  # of ``WANTED``

    @property
    def fingerprint(self) -> str:
        """One SHA-256 for all of it: that of the manifest."""
        return hashlib.sha256(self.texts[MANIFEST]).hexdigest()

    @property
    def cleaned(self) -> list[str]:
        """The files that held paths of this machine."""
        return [name for name, content in self.files.items() if isinstance(content, bytes)]


def parcel(results: str | Path, about: About) -> Parcel:
    """Everything that is shared of the study in ``results``; files are hashed, none is changed."""
    study = StudyFolder(results)
    paths = Paths(study)
    files: dict[str, Path | bytes] = {}
    listed = []
    try:
        kept = _kept(study.results)
    except OSError as error:  # a folder that may not be entered, a name that is too long
        _refuse(error)
    for relative in kept:
        path, name = study.results / relative, f"{RESULTS}/{relative.as_posix()}"
        try:
            cleaned = paths.cleaned(path)
            if cleaned is None:
                listed.append(File(name, path.stat().st_size, file_digest(path)))
        except OSError as error:
            raise UserError.at(str(path), f"cannot be read: {error.strerror}") from None
        if cleaned is not None:
            listed.append(_of_text(name, cleaned))
        files[name] = path if cleaned is None else cleaned
    size = sum(one.size for one in listed)
    texts = {
        "README.md": paths.without(describe.card(study, about, files)),
        ".zenodo.json": describe.zenodo(study, about),
    }
    listed += [_of_text(name, text) for name, text in texts.items()]
    texts[describe.CRATE] = paths.without(describe.crate(study, about, listed))
    listed.append(_of_text(describe.CRATE, texts[describe.CRATE]))
    hashes = {one.name: one.sha256 for one in listed}
    texts[MANIFEST] = "".join(f"{sha}  {name}\n" for name, sha in hashes.items()).encode()
    missing = tuple(name for name in WANTED if f"{RESULTS}/{name}" not in files)
    return Parcel(files, texts, hashes, size, missing)


def stays(name: str) -> bool:
    """Whether a name leads to a place below the folder that an archive is unpacked to, on any system."""
    return not re.search(r"^/|\\|^[A-Za-z]:|(^|/)\.\.(/|$)", name)


def _of_text(name: str, text: bytes) -> File:
    return File(name, len(text), hashlib.sha256(text).hexdigest())


def _kept(results: Path) -> list[Path]:
    """Relative paths in order; nothing hidden but the models' sources. Folders may be links to others."""
    found = []
    for place, folders, names in os.walk(results, followlinks=True, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            path = Path(place, name)
            if path.is_symlink() and Path(place).resolve().is_relative_to(path.resolve()):
                raise UserError.at(str(path), "is a link to a folder that holds it", "remove it")
        for name in sorted(names):
            if not name.startswith(".") or name == _SOURCE:
                found.append(_listed(Path(place, name), results))
    return found


def _listed(path: Path, results: Path) -> Path:
    """The path as seen from the results, if any system can have it in a list."""
    relative = path.relative_to(results)
    if not path.is_file():
        raise UserError.at(str(path), "is no file, or a link to none", "remove it")
    if not str(relative).isprintable() or not stays(relative.as_posix()):
        raise UserError.at(repr(str(path)), "not every system can have a file of this name")
    return relative


def _refuse(error: OSError) -> NoReturn:
    raise UserError.at(str(error.filename), f"cannot be read: {error.strerror}")
