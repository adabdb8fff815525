"""What is shared of a finished study: its files of results, and beside them what says what they are.

README.md                 for people; on the hub the card of the data set
ro-crate-metadata.json    for machines: RO-Crate 1.1, every file with its size and SHA-256
.zenodo.json              for Zenodo
manifest-sha256.txt       as sha256sum writes it, of all other files
results/...               all that the study holds, less its store
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from brodmann.atlas.study import StudyFolder
from brodmann.errors import UserError
from brodmann.files import file_digest
from brodmann.sharing import describe
from brodmann.sharing.describe import About, File

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
    """``files``: name in the archive -> where it is; ``texts``: what is written for the archive itself."""

    files: dict[str, Path]
    texts: dict[str, bytes]
    missing: tuple[str, ...]  # of ``WANTED``

    @property
    def fingerprint(self) -> str:
        """One SHA-256 for all of it: that of the manifest."""
        return hashlib.sha256(self.texts[MANIFEST]).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the files of results."""
        return sum(path.stat().st_size for path in self.files.values())


def parcel(results: str | Path, about: About) -> Parcel:
    """Everything that is shared of the study in ``results``; files are hashed, none is changed."""
    study = StudyFolder(results)
    files = {f"{RESULTS}/{path.as_posix()}": study.results / path for path in _kept(study.results)}
    listed = [File(name, path.stat().st_size, file_digest(path)) for name, path in files.items()]
    texts = {
        "README.md": describe.card(study, about, files),
        ".zenodo.json": describe.zenodo(study, about),
    }
    listed += [_of_text(name, text) for name, text in texts.items()]
    texts[describe.CRATE] = describe.crate(study, about, listed)
    listed.append(_of_text(describe.CRATE, texts[describe.CRATE]))
    texts[MANIFEST] = "".join(f"{one.sha256}  {one.name}\n" for one in listed).encode()
    missing = tuple(name for name in WANTED if f"{RESULTS}/{name}" not in files)
    return Parcel(files, texts, missing)


def _of_text(name: str, text: bytes) -> File:
    return File(name, len(text), hashlib.sha256(text).hexdigest())


def _kept(results: Path) -> list[Path]:
    """Relative paths in order; nothing hidden but the models' sources."""
    found = []
    for place, folders, names in os.walk(results):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") or name == _SOURCE:
                path = Path(place, name)
                if "\n" in str(path):
                    raise UserError.at(repr(str(path)), "a name with a line end cannot be listed")
                found.append(path.relative_to(results))
    return found
