"""The result store of one model: finished work, found again by what it depends on.

``results/{model}/.store/{stage}/*.shard`` hold *records*: a key (SHA-256 of everything that the result
depends on) and its payload (bytes). A record is looked up by key alone, so changed settings simply miss
and unchanged ones hit, whatever Snakemake thinks of file times.

How it stays safe without locks or a database: every writing process appends to a shard of its own, one
record per finished piece of work, flushed to disk before the next begins. A process killed in mid-write
leaves a torn last record, which the checksums reveal; all earlier ones count. Shards are never changed
afterwards; `consolidate` merges them into one that is published by rename before the old are removed, so
that the number of files stays bounded and a reader at any moment finds every record.

Record: ``BRD1 <key> <size> <sha256 of payload> <crc32 of the header>\\n<payload>\\n``.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from brodmann.errors import UserError

MAGIC = b"BRD1 "
_HEADER = re.compile(rb"BRD1 ([0-9a-f]{64}) (\d{16}) ([0-9a-f]{64}) ([0-9a-f]{8})\n")
HEADER_SIZE = 5 + 64 + 1 + 16 + 1 + 64 + 1 + 8 + 1
# A shard still called .open after this long belongs to a process that was killed.
ABANDONED_AFTER_S = 24 * 3600


@dataclass(frozen=True)
class Location:
    """Where a payload lies."""

    shard: Path
    offset: int
    size: int
    sha256: str


def _header(key: str, payload: bytes) -> bytes:
    body = f"BRD1 {key} {len(payload):016d} {hashlib.sha256(payload).hexdigest()}".encode()
    return body + f" {zlib.crc32(body):08x}\n".encode()


def _records(shard: Path) -> Iterator[tuple[str, Location]]:
    """The keys of a shard and where their payloads lie; damaged stretches are skipped."""
    size = shard.stat().st_size
    with open(shard, "rb") as handle:
        position = 0
        while position + HEADER_SIZE <= size:
            handle.seek(position)
            match = _HEADER.fullmatch(handle.read(HEADER_SIZE))
            if match is None or zlib.crc32(match[0][:-10]) != int(match[4], 16):
                position = _next_magic(handle, position + 1)
                continue
            start, length = position + HEADER_SIZE, int(match[2])
            if start + length > size:  # torn: the rest was never written
                position = _next_magic(handle, position + 1)
                continue
            yield match[1].decode(), Location(shard, start, length, match[3].decode())
            position = start + length + 1


def _next_magic(handle: BinaryIO, position: int) -> int:
    """Offset of the next possible record at or after ``position`` (end of file if there is none)."""
    handle.seek(position)
    tail = b""
    while block := handle.read(1 << 20):
        found = (tail + block).find(MAGIC)
        if found >= 0:
            return position - len(tail) + found
        position += len(block)
        tail = (tail + block)[-(len(MAGIC) - 1) :]
    return position


class Store:
    """The records of one stage of one model.

    >>> with Store(folder) as store:          # doctest: +SKIP
    ...     if (payload := store.get(key)) is None:
    ...         store.put(key, compute())
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._index: dict[str, list[Location]] | None = None
        self._shard: Path | None = None
        self._handle: BinaryIO | None = None  # open as long as ``_shard`` is written to

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading --

    def _shards(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if p.suffix in (".shard", ".open"))

    def _load_index(self) -> dict[str, list[Location]]:
        index: dict[str, list[Location]] = {}
        for shard in self._shards():
            try:
                for key, location in _records(shard):
                    index.setdefault(key, []).append(location)
            except FileNotFoundError:  # merged away by another process; its records are elsewhere
                continue
        return index

    def get(self, key: str) -> bytes | None:
        """The payload stored under ``key``, verified; None if there is none that is sound."""
        for attempt in range(2):
            if self._index is None:
                self._index = self._load_index()
            vanished = False
            for location in reversed(self._index.get(key, [])):
                try:
                    with open(location.shard, "rb") as handle:
                        handle.seek(location.offset)
                        payload = handle.read(location.size)
                except FileNotFoundError:
                    vanished = True
                    continue
                if hashlib.sha256(payload).hexdigest() == location.sha256:
                    return payload
            if not vanished or attempt:
                return None
            self._index = None  # consolidated meanwhile: look again
        return None

    def require(self, key: str, what: str, manifest: str | Path) -> bytes:
        """The payload that a pass said was there; an error if its shard was deleted or damaged since.

        ``manifest`` is then removed: without it the next run repeats the pass, which computes just what
        is missing.
        """
        payload = self.get(key)
        if payload is None:
            Path(manifest).unlink(missing_ok=True)
            raise UserError.at(
                str(self.folder.parent),
                f"{what} is gone or damaged",
                "run the same command again: it is computed anew",
            )
        return payload

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    # -- writing --

    def put(self, key: str, payload: bytes) -> None:
        """Append a record and make it durable before returning."""
        self.put_many({key: payload})

    def put_many(self, records: Mapping[str, bytes]) -> None:
        """Append records and make them durable, all at once: one wait for the disk."""
        if self._handle is None or self._shard is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
            self._shard = self.folder / f"{name}.open"
            self._handle = open(self._shard, "xb")  # noqa: SIM115 - lives as long as the store
        start = self._handle.tell()
        located = {}
        try:
            for key, payload in records.items():
                header = _header(key, payload)
                offset = self._handle.tell() + len(header)
                for part in (header, payload, b"\n"):  # payloads are large: no copy
                    self._handle.write(part)
                located[key] = Location(self._shard, offset, len(payload), header[87:151].decode())
            self._handle.flush()
            os.fsync(self._handle.fileno())
        except OSError:
            # A full disk: forget the torn records, keep those before them.
            self._handle.truncate(start)
            raise
        if self._index is not None:
            for key, location in located.items():
                self._index.setdefault(key, []).append(location)

    def close(self) -> None:
        """Mark this process' shard as finished."""
        if self._handle is not None and self._shard is not None:
            self._handle.close()
            self._handle = None
            finished = self._shard.with_suffix(".shard")
            os.replace(self._shard, finished)
            self._index = None

    def consolidate(self, limit: int = 16) -> None:
        """Merge finished shards into one when there are more than ``limit``; drop damaged records."""
        now = time.time()
        finished = [
            shard
            for shard in self._shards()
            if shard.suffix == ".shard" or now - shard.stat().st_mtime > ABANDONED_AFTER_S
        ]
        if len(finished) <= limit:
            return
        self._index = self._load_index()
        keys = [
            key
            for key, locations in self._index.items()
            if any(location.shard in finished for location in locations)
        ]
        with Store(self.folder) as merged:
            for key in keys:
                if (payload := self.get(key)) is not None:
                    merged.put(key, payload)
        for shard in finished:
            shard.unlink(missing_ok=True)
        self._index = None
