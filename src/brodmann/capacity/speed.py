"""How fast this machine is: measured in a few seconds when asked, kept in the cache of weights."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.files import write_json
from brodmann.models.cache import Cache

# Weights come from a local disk at this rate (bytes/s).
_READING = 5e8


@dataclass(frozen=True)
class Speed:
    """Seconds until a job that loads a model has its libraries; operations a second of forward passes, of
    models by their hidden size."""

    start: float
    operations: dict[int, float]

    def loading(self, size_bytes: int) -> float:
        """Seconds until a job has loaded its model."""
        return self.start + size_bytes / _READING

    def of(self, hidden: int) -> float:
        """Operations a second of a model: as of the measured one that is nearest in size."""
        nearest = min(self.operations, key=lambda other: abs(math.log(other / hidden)))
        return self.operations[nearest]


def gpu_here() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as its files say; torch would take seconds."""
    return Path("/proc/driver/nvidia").exists()


def known(cache: Cache, device: str) -> Speed | None:
    """What was measured on this machine, on its CPU or GPU; None if nothing was."""
    found = _read(cache).get(platform.node(), {}).get(device)
    if found is None:
        return None
    return Speed(found["start"], {int(hidden): v for hidden, v in found["operations"].items()})


def keep(cache: Cache, device: str, speed: Speed) -> None:
    """Let later plans on this machine know."""
    everything = _read(cache)
    operations = {str(hidden): value for hidden, value in speed.operations.items()}
    here = everything.setdefault(platform.node(), {})
    here[device] = {"start": round(speed.start, 2), "operations": operations}
    write_json(_file(cache), everything)


def _file(cache: Cache) -> Path:
    return cache.root / "speed.json"


def _read(cache: Cache) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_file(cache).read_text(encoding="utf-8"))
        return found
    except (FileNotFoundError, ValueError):
        return {}
