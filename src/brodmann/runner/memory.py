"""How much memory there is: measured, not guessed; and what to do when it was too little for a batch."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch

log = logging.getLogger(__name__)


class Budget:
    """Memory of the devices that a model runs on."""

    def __init__(self, *devices: torch.device) -> None:
        self.devices = devices

    def free(self) -> int:
        """Bytes that are free now, on the fullest device."""
        return min(map(_free, self.devices))


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device)
        return free + reserved - torch.cuda.memory_allocated(device)
    free = _available()
    limit = _cgroup_room()
    return free if limit is None else min(free, limit)


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def halved(tokens: int, device: torch.device) -> int:
    """What to go on with after a batch of ``tokens`` took more memory than there is.

    To be called outside the exception's handler: only then are the failed batch's tensors free.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
    tokens = max(1, tokens // 2)
    log.warning("out of memory: going on with %d tokens per batch", tokens)
    return tokens


def _available() -> int:
    """What the machine has left."""
    try:
        with open("/proc/meminfo", encoding="ascii") as handle:
            for line in handle:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    # Not Linux: half of the machine's memory.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _cgroup_room() -> int | None:
    """What a container or a cluster's job may still take; None without a limit."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()[-1]
        folder = Path("/sys/fs/cgroup") / group.partition("::")[2].lstrip("/")
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError, IndexError):
        return None
    return None if limit == "max" else max(0, int(limit) - used)
