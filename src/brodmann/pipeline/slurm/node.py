"""What a job sees on its node: GPUs, torch, folders, versions. ``python -m brodmann.pipeline.slurm.node``."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brodmann.errors import one_line
from brodmann.files import incomplete, read_json, write_json
from brodmann.models.cache import Cache
from brodmann.provenance import software


@dataclass(frozen=True)
class Place:
    """A folder, as seen from here."""

    path: str
    reached: bool
    """Whether it is the folder that the sender left its mark in; it is there, if there was no mark."""
    writable: bool
    free_bytes: int


@dataclass(frozen=True)
class Torch:
    """The build of torch, and what it says of GPUs."""

    version: str
    cuda: str
    """Its version; empty for a build without."""
    error: str
    """Why it cannot be imported, or cannot use its GPUs."""


@dataclass(frozen=True)
class Node:
    """All that a job sees."""

    name: str
    partition: str
    cpus: int
    gpus: list[tuple[str, int]]
    """Name and memory (bytes), as torch sees them."""
    driver_gpus: list[str]
    """The same as NVIDIA's driver sees them: a line each."""
    torch: Torch
    places: dict[str, Place]
    software: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Node:
        """What a job has written."""
        record = read_json(path)
        try:
            places = {name: Place(**place) for name, place in record["places"].items()}
            gpus = [(name, memory) for name, memory in record["gpus"]]
            torch = Torch(**record["torch"])
            return cls(**{**record, "places": places, "gpus": gpus, "torch": torch})
        except (KeyError, TypeError, ValueError):
            raise incomplete(path) from None


def look(places: Mapping[str, Path], mark: str = "") -> Node:
    """Look around. ``mark``: the name of a file that the sender left in every place."""
    torch, gpus = _torch()
    return Node(
        name=os.environ.get("SLURMD_NODENAME") or platform.node(),
        partition=os.environ.get("SLURM_JOB_PARTITION", ""),
        cpus=len(os.sched_getaffinity(0)),
        gpus=gpus,
        driver_gpus=_driver_gpus(),
        torch=torch,
        places={name: _place(path, mark) for name, path in places.items()},
        software=software(),
    )


def _torch() -> tuple[Torch, list[tuple[str, int]]]:
    try:
        import torch

        cuda = torch.version.cuda or torch.version.hip or ""
        found = Torch(torch.__version__, cuda, "")
    except Exception as error:  # whatever a broken installation raises is what is to be told
        return Torch("", "", one_line(f"{type(error).__name__}: {error}")), []
    try:
        if not torch.cuda.is_available():
            return found, []
        cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        # Work is what shows whether kernels for this GPU are in the build.
        torch.ones(8, device="cuda").sum().item()
        return found, [(card.name, card.total_memory) for card in cards]
    except Exception as error:
        return Torch(found.version, cuda, one_line(f"{type(error).__name__}: {error}")), []


def _driver_gpus() -> list[str]:
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _place(path: Path, mark: str) -> Place:
    if not path.is_dir():
        return Place(str(path), reached=False, writable=False, free_bytes=0)
    try:
        with tempfile.TemporaryFile(dir=path) as handle:
            handle.write(b"brodmann")
        writable = True
    except OSError:
        writable = False
    reached = not mark or (path / mark).exists()
    return Place(str(path), reached, writable, shutil.disk_usage(path).free)


def main() -> None:
    """Look, and write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--cache", default="", help="execution.cache of the study")
    parser.add_argument("--study", type=Path, required=True, help="the folder of the study")
    parser.add_argument("--mark", default="")
    given = parser.parse_args()
    places = {"cache": Cache(given.cache or None).root, "study": given.study}
    temporary = _place(Path(tempfile.gettempdir()), "")
    seen = asdict(look(places, given.mark))
    seen["places"]["temporary"] = asdict(temporary)
    write_json(given.output, seen)


if __name__ == "__main__":
    main()
