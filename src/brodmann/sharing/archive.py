"""Archives of finished studies: written whole or not at all, and compared with their own lists."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote

from brodmann.atlas.study import PROVENANCE
from brodmann.errors import Problem, UserError
from brodmann.files import atomic_path
from brodmann.sharing.describe import CRATE
from brodmann.sharing.parcel import MANIFEST, RESULTS, Parcel, stays

# Zip has a time for every file: one for all, so that the same study is the same archive.
_TIME = (1980, 1, 1, 0, 0, 0)
_BLOCK = 2**20
# What reading a damaged archive ends in; RuntimeError: it is encrypted, or packed in an unknown way.
_DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)
# No manifest and no record is larger; a small archive can hold a text that fills the memory.
_LARGEST = 2**27
_ASTRAY = "is no plain file in the archive's own folder: do not unpack it"
# Problems that are told one by one.
_MOST = 20


def write_archive(path: str | Path, parcel: Parcel) -> None:
    """A zip file of it, readable by any tool; what says what it is comes first."""
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for name, content in {**parcel.texts, **parcel.files}.items():
            if isinstance(content, bytes):
                archive.writestr(_entry(name), content)
                continue
            packed = hashlib.sha256()
            with (
                open(content, "rb") as source,
                archive.open(_entry(name), "w", force_zip64=True) as to,
            ):
                while block := source.read(_BLOCK):
                    packed.update(block)
                    to.write(block)
            if packed.hexdigest() != parcel.hashes[name]:
                what = "was changed while it was packed"
                raise UserError.at(str(content), what, "pack when no run writes here")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


@dataclass(frozen=True)
class Verified:
    """A sound archive. ``fingerprint``: SHA-256 of its manifest, one number for all of it."""

    files: int
    size: int
    fingerprint: str
    version: str  # of brodmann
    written: str
    models: tuple[str, ...]


def verify(place: str | Path) -> Verified:
    """Compare an archive, or the folder that it was unpacked to, with its manifest and its record.

    Every file must be there, be what it was, and be listed; raises ``UserError`` with all that is wrong.
    """
    place = Path(place)
    with _opened(place) as content:
        names = content.names()
        if astray := [Problem(name, _ASTRAY) for name in names if not stays(name)]:
            _refuse(place, astray)
        if MANIFEST not in names:
            raise UserError.at(str(place), f"has no {MANIFEST}: brodmann pack did not make it")
        manifest = content.read(MANIFEST)
        listed = _listed(place, manifest)
        problems = [
            Problem(name, "is listed, and not there") for name in listed if name not in names
        ]
        extra = names.keys() - listed.keys() - {MANIFEST}
        problems += [Problem(name, "is there, and not listed") for name in sorted(extra)]
        problems += [Problem(name, "is there twice") for name, times in names.items() if times > 1]
        problems += [
            Problem(name, found)
            for name, sha in listed.items()
            if name in names and (found := content.differs(name, sha))
        ]
        if problems:
            _refuse(place, problems)
        _check_crate(content, listed)
        return _verified(place, content, listed, manifest)


def _refuse(place: Path, problems: list[Problem]) -> None:
    told = [Problem(f"{place}: {one.where}", one.what) for one in problems[:_MOST]]
    if len(problems) > _MOST:
        told.append(Problem(str(place), f"and {len(problems) - _MOST} more"))
    raise UserError(*told)


def _listed(place: Path, manifest: bytes) -> dict[str, str]:
    """Name -> SHA-256, as the manifest says."""
    found = {}
    try:
        for line in manifest.decode().removesuffix("\n").split("\n"):
            sha, _, name = line.partition("  ")
            if len(sha) != 64 or not name or not stays(name) or name in found:
                raise ValueError(line)
            found[name] = sha
    except ValueError:
        raise UserError.at(f"{place}: {MANIFEST}", "is no list of SHA-256 and names") from None
    return found


class _Content(Protocol):
    """Files of an archive or a folder."""

    def names(self) -> dict[str, int]:
        """Name -> how often it is there."""

    def open(self, name: str) -> IO[bytes]:
        """To be read."""


class _Files:
    """What an archive holds, read in the same way as a folder."""

    def __init__(self, content: _Content) -> None:
        self._content = content
        self.names = content.names
        self.size = 0  # bytes that were compared

    def read(self, name: str) -> bytes:
        """All of one file, of those that are never large."""
        with self._content.open(name) as handle:
            found = handle.read(_LARGEST + 1)
        if len(found) > _LARGEST:
            raise UserError.at(
                name, f"is larger than {_LARGEST // 2**20} MiB: not of brodmann pack"
            )
        return found

    def differs(self, name: str, sha: str) -> str:
        """What is wrong with a file, if something is."""
        try:
            with self._content.open(name) as handle:
                found = hashlib.sha256()
                while block := handle.read(_BLOCK):
                    found.update(block)
                    self.size += len(block)
        except _DAMAGED as error:
            return f"cannot be read: {error}"
        return "" if found.hexdigest() == sha else "is not what was packed"


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self._archive.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):  # a link leads out of the folder
                raise UserError.at(entry.filename, _ASTRAY)
            if not entry.is_dir() or not stays(entry.filename):
                found[entry.filename] = found.get(entry.filename, 0) + 1
        return found

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)


class _Folder:
    """Hidden files that are not listed are left to the tools that put them there (.gitattributes)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> dict[str, int]:
        files = (
            path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file()
        )
        own = {".zenodo.json", ".source.json"}
        kept = (one for one in files if not any(p[0] == "." and p not in own for p in one.parts))
        return dict.fromkeys((one.as_posix() for one in kept), 1)

    def open(self, name: str) -> IO[bytes]:
        return open(self._folder / name, "rb")


@contextmanager
def _opened(place: Path) -> Iterator[_Files]:
    try:
        if place.is_dir():
            yield _Files(_Folder(place))
            return
        with zipfile.ZipFile(place) as archive:
            yield _Files(_Zip(archive))
    except FileNotFoundError:
        raise UserError.at(str(place), "the file does not exist") from None
    except _DAMAGED as error:
        raise UserError.at(str(place), f"is damaged, or no archive: {error}") from None


def _check_crate(content: _Files, listed: dict[str, str]) -> None:
    """The record for machines names the same files with the same hashes."""
    try:
        graph = {one["@id"]: one for one in json.loads(content.read(CRATE))["@graph"]}
        parts = [part["@id"] for part in graph["./"]["hasPart"]]
        said = {unquote(part): graph[part]["sha256"] for part in parts}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise UserError.at(CRATE, "is no record of an RO-Crate") from None
    if said != {name: sha for name, sha in listed.items() if name != CRATE}:
        raise UserError.at(CRATE, "lists other files than the manifest")


def _verified(place: Path, content: _Files, listed: dict[str, str], manifest: bytes) -> Verified:
    name = f"{RESULTS}/{PROVENANCE}"
    try:
        said = json.loads(content.read(name))
        models = tuple(map(str, said["config"]["models"]))
        version, written = str(said["brodmann"]), str(said.get("written", ""))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        raise UserError.at(f"{place}: {name}", "does not say what the study was") from None
    fingerprint = hashlib.sha256(manifest).hexdigest()
    return Verified(len(listed), content.size, fingerprint, version, written, models)
