"""Writing and hashing files: a result is either absent or complete."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from brodmann.errors import UserError

Record = TypeVar("Record")

# What to do about a damaged file of ours.
REBUILD = "delete it and run again to rebuild it"
# Beside a folder that is written for this long, nobody writes it any more.
_ABANDONED_AFTER_S = 24 * 3600


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place only if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept because some writers (matplotlib) choose the format by it.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; results are to be as readable as the user's umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        # Else a power failure could leave the new name with the content of an empty file.
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a path beside ``folder`` for a new folder, which takes its place only if the block succeeds.

    What a killed process left beside it is removed when it is a day old: another process may write just now.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as aside:
        staging, earlier = Path(aside, "new"), Path(aside, "earlier")
        yield staging
        if folder.exists():
            folder.rename(earlier)
        try:
            staging.rename(folder)
        except BaseException:
            if earlier.exists():
                earlier.rename(folder)
            raise


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(value: Any) -> Any:
    """JSON has no NaN: an undefined number is written as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def write_json(path: str | Path, value: Any, indent: int | None = 1) -> None:
    """Write ``value`` as JSON, atomically; numbers that are not finite become null."""
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """The text of a file; an error that names it if there is none to be had."""
    try:
        return Path(path).read_text(encoding=encoding)
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise UserError.at(str(path), "not a UTF-8 text file", "save it as UTF-8") from None


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a damaged one is named, with the way out."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from None
    # Also numbers with thousands of digits, and what is nested too deeply.
    except (ValueError, RecursionError) as error:
        raise UserError.at(str(path), f"not valid JSON: {error}", REBUILD) from None


def read_rows(path: str | Path) -> list[list[str]]:
    """The rows of a CSV file that a stage wrote; one that was cut is told by its missing line end."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except OSError as error:
        raise _unreadable(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError.at(str(path), f"not valid CSV: {error}", REBUILD) from None
    if not text.endswith("\n") or not rows[0]:
        raise incomplete(path)
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise UserError.at(str(path), "not valid CSV: its lines differ in length", REBUILD)
    return rows


def read_dicts(path: str | Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The same as column -> text; every one of ``columns`` must be there."""
    head, *rows = read_rows(path)
    if missing := [column for column in columns if column not in head]:
        raise UserError.at(str(path), f"no column '{missing[0]}'", REBUILD)
    return [dict(zip(head, row, strict=True)) for row in rows]


def _unreadable(path: str | Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError.at(str(path), "the file does not exist")
    return UserError.at(str(path), f"cannot be read: {error.strerror}")


def incomplete(path: str | Path) -> UserError:
    """The error for a file that is sound JSON but does not hold what it should."""
    return UserError.at(str(path), "is incomplete", REBUILD)


def read_record(path: str | Path, cls: type[Record], optional: Collection[str] = ()) -> Record:
    """Read a JSON file as a dataclass; what it holds beside the fields is passed over.

    ``optional``: fields that files of an earlier version lack.
    """
    record = read_json(path)
    names = [field.name for field in fields(cls)]
    try:
        names = [name for name in names if name in record or name not in optional]
        return cls(**{name: record[name] for name in names})
    except (KeyError, TypeError):
        raise incomplete(path) from None


def canonical_json(value: Any) -> bytes:
    """One byte string per value: what hashes and store keys are taken of."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_digest(path: str | Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
