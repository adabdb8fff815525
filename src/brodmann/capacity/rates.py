"""How fast devices are: by ``rates.yaml``, or as ``brodmann plan --calibrate`` measured this machine."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from brodmann.capacity.sizes import ModelSize
from brodmann.errors import UserError, did_you_mean
from brodmann.files import write_json
from brodmann.models.cache import Cache
from brodmann.runner.costs import Effort

_FILE = Path(__file__).with_name("rates.yaml")
CPU, GPU = "cpu", "gpu"
# Cores that a model job asks for.
CORES = 8


@dataclass(frozen=True)
class Time:
    """Minutes that a job takes: to load the model, then to work."""

    loading: float
    working: float

    @property
    def minutes(self) -> float:
        """All of it, without any limit."""
        return self.loading + self.working

    def of(self, shards: int) -> Time:
        """Of one of so many jobs that share the work: each loads the model."""
        return Time(self.loading, self.working / shards)

    def jobs(self, limit: float) -> int | None:
        """How many jobs of so many minutes it takes: each loads the model, and goes on where the last was.

        None if loading alone takes as long.
        """
        if self.minutes <= limit:
            return 1
        return None if self.loading >= limit else math.ceil(self.working / (limit - self.loading))


@dataclass(frozen=True)
class Rates:
    """A device's, as ``rates.yaml`` explains them. ``basis``: what they are, in words."""

    matmul: Mapping[str, float]
    share: Mapping[str, float]
    block: float
    start: float
    loading: float
    ranking: float
    decomposing: float
    basis: str = "as usual; brodmann plan --calibrate measures this machine"

    def time(self, stage: str, size: ModelSize, effort: Effort, faster: float = 1.0) -> Time:
        """To load a model and to do a stage's work with it.

        ``faster``: how many times as fast as one device those that share the model's products are.
        """
        head = size.widths.vocabulary * size.widths.hidden
        operations = 2 * (size.passed * effort.tokens + head * effort.scored)
        share = self.share.get(stage, self.share["other"])
        dtype = "bfloat16" if size.width <= 2 else "float32"
        working = operations / (self.matmul[dtype] * share * faster)
        working += effort.passes * size.widths.layers * self.block
        working += effort.ranked / self.ranking + effort.decomposed / self.decomposing
        return Time((self.start + size.bytes / self.loading) / 60, working / 60)

    def of_cores(self, count: int) -> Rates:
        """Of so many cores like this one."""
        matmul = {dtype: count * rate for dtype, rate in self.matmul.items()}
        more = {name: count * getattr(self, name) for name in ("ranking", "decomposing")}
        return replace(self, matmul=matmul, **more)


@cache
def kinds() -> Mapping[str, Rates]:
    """Those of the file."""
    names = {one.name for one in fields(Rates)}
    found = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        kind: Rates(
            **{name: value for name, value in own.items() if name in names},
            **({} if kind in (CPU, GPU) else {"basis": f"as on an {kind}"}),
        )
        for kind, own in found.items()
    }


def rates(kind: str, cores: int = CORES) -> Rates:
    """Of a kind of device."""
    if kind == CPU:
        return kinds()[CPU].of_cores(cores)
    gpus = [name for name in kinds() if name != CPU]
    if kind not in gpus:
        raise UserError.at("--gpu", f"no rates of '{kind}'", did_you_mean(kind, gpus))
    return kinds()[kind]


def rates_here(cache: Cache, device: str) -> Rates:
    """Of this machine, on its CPU or its GPU (cuda): measured, or those of its kind."""
    usual = rates(CPU, min(CORES, os.cpu_count() or 1)) if device == CPU else rates(GPU)
    return known(cache, device) or usual


def gpu_here() -> bool:
    """Whether this machine has an NVIDIA GPU, as far as its files say; torch would take seconds."""
    return Path("/proc/driver/nvidia").exists()


def known(cache: Cache, device: str) -> Rates | None:
    """What was measured on this machine, on its CPU or GPU; None if nothing was."""
    found = _read(cache).get(platform.node(), {}).get(device)
    if found is None or "matmul" not in found:  # as kept by an earlier version
        return None
    base = rates(found["kind"], found["cores"])
    matmul = {**base.matmul, **found["matmul"]}
    measured = {"matmul": matmul, "block": found["block"], "start": found["start"]}
    return replace(base, **measured, basis="as measured here")


def keep(cache: Cache, device: str, measured: Mapping[str, Any]) -> None:
    """Let later plans on this machine know: ``kind``, ``cores``, ``matmul``, ``block`` and ``start``."""
    everything = _read(cache)
    here = everything.setdefault(platform.node(), {})
    before = here.get(device, {}).get("matmul", {})
    here[device] = {**measured, "matmul": {**before, **measured["matmul"]}}
    write_json(_path(cache), everything)


def _path(cache: Cache) -> Path:
    return cache.root / "speed.json"


def _read(cache: Cache) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_path(cache).read_text(encoding="utf-8"))
        return found
    except (FileNotFoundError, ValueError):
        return {}
