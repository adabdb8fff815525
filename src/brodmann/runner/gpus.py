"""Jobs side by side on a machine with several GPUs take different ones.

Each takes its GPUs by a lock on a file per GPU, and then sees no other (``CUDA_VISIBLE_DEVICES``). The system
lets go of a lock when its process ends, however it ends. Nothing happens where there is no choice: with as
many GPUs as the job wants, as in a job of a cluster that hands them out itself.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

# The locks of this process: held until it ends.
_held: list[IO[str]] = []


def claim(count: int, *, folder: str | Path | None = None, poll_s: float = 2.0) -> list[str]:
    """Leave this process ``count`` GPUs that no other job has taken; waits while there are too few.

    To be called before CUDA is first used. Returns what ``CUDA_VISIBLE_DEVICES`` was set to; nothing where
    it was left alone.
    """
    devices = visible()
    if count < 1 or len(devices) <= count:
        return []
    names = _uuids()
    folder = Path(folder or Path(tempfile.gettempdir()) / f"brodmann-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        taken: list[tuple[str, IO[str]]] = []
        for device in devices:
            lock = _lock(folder / f"{names.get(device, device)}.lock")
            if lock is not None:
                taken.append((device, lock))
            if len(taken) == count:
                break
        if len(taken) == count:
            break
        # All or none: jobs that each hold some and wait for more would wait for ever.
        for _, lock in taken:
            lock.close()
        if not waiting:
            log.info("waiting for %d of the GPUs %s", count, ", ".join(devices))
        waiting = True
        time.sleep(poll_s)
    chosen = [device for device, _ in taken]
    _held.extend(lock for _, lock in taken)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
    log.info("taking GPU %s of %s", ", ".join(chosen), ", ".join(devices))
    return chosen


def visible() -> Sequence[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [device.strip() for device in given.split(",") if device.strip()]
    # By UUID: CUDA and nvidia-smi number GPUs in different orders.
    return list(_uuids().values())


def _uuids() -> dict[str, str]:
    """Number -> UUID of this machine's NVIDIA GPUs."""
    command = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = (line.split(",") for line in answer.stdout.splitlines())
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def _lock(path: Path) -> IO[str] | None:
    """The open file with the lock on it, or None if another process has it."""
    handle = open(path, "a", encoding="ascii")  # noqa: SIM115 - it stays open with the lock
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return handle
