"""What jobs that load a model ask a cluster for: memory, time and GPUs, from the model's size and the work.

Estimates, on the safe side: too much costs time in the queue, too little ends a job. A job that was ended is
tried again with more (``attempt``), and goes on where it was. A profile may replace any of it
(docs/cluster.md).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.capacity.prompt_lengths import prompt_lengths
from brodmann.capacity.sizes import ModelSize, model_size
from brodmann.capacity.speed import Speed, gpu_here, known
from brodmann.capacity.stage_memory import StageMemory, stage_memory
from brodmann.config.study import Study
from brodmann.models.cache import Cache
from brodmann.pipeline.stages import PASSES
from brodmann.runner.costs import Job, Lengths

# Memory of the host beside the model's: three interpreters, torch, CUDA's own, items and scores.
BASE_MB = 6000
# Room above what is predicted. On a GPU job's host weights only pass through, as pages of their files.
HEADROOM = 1.2

# Minutes. Starting and loading take some even for the smallest model; few queues take more than a day.
SHORTEST = 30
LONGEST = 24 * 60
# How often a job is submitted again by the profile that comes with brodmann (profiles/slurm/config.yaml).
RETRIES = 3
# Weights are read at this rate from a busy shared file system (bytes/s).
_READING = 100e6
# What forward passes reach, in operations a second: a modest share of a data-centre GPU; eight cores.
_SPEED = {"gpu": 2e13, "cpu": 2e11}
_MARGIN = 2.0


def memory_mb(size: ModelSize, memory: StageMemory, *, on_gpu: bool, attempt: int = 1) -> int:
    """Memory of the host in MB; every further attempt asks for as much again."""
    held = size.bytes + size.passing + memory.gathered + (0 if on_gpu else memory.batch)
    return math.ceil(BASE_MB + HEADROOM * held / 1e6) * attempt


@dataclass(frozen=True)
class Time:
    """Minutes that a job takes: to load the model, then to work."""

    loading: float
    working: float

    @property
    def minutes(self) -> int:
        """All of it, without any limit."""
        return math.ceil(self.loading + self.working)

    @property
    def submissions(self) -> int:
        """How many jobs of a day it takes: each loads the model, and goes on where the last was."""
        if self.minutes <= LONGEST or self.loading >= LONGEST:
            return 1
        return math.ceil(self.working / (LONGEST - self.loading))


def time_of(size: ModelSize, tokens: float, *, on_gpu: bool, speed: Speed | None = None) -> Time:
    """To load a model and to run so many tokens through it; ``speed``: if it was measured here."""
    operations = 2 * (size.active or size.parameters) * tokens
    if speed is not None:
        working = operations / speed.of(size.widths.hidden)
        return Time(speed.loading(size.bytes) / 60, working / 60)
    work = operations / _SPEED["gpu" if on_gpu else "cpu"]
    return Time(size.bytes / _READING / 60, _MARGIN * work / 60)


def runtime_minutes(size: ModelSize, tokens: float, *, on_gpu: bool, attempt: int = 1) -> int:
    """Minutes that a job asks for, within what queues take; what is not done by then is gone on with."""
    minutes = time_of(size, tokens, on_gpu=on_gpu).minutes
    return min(LONGEST, max(SHORTEST, minutes) * attempt)


def expected_seconds(
    study: Study, rule: str, model: str, *, submitted: bool, data: str | Path | None = None
) -> float | None:
    """How long a job may take: as long as last time, else as its tokens; None if it loads no model.

    ``submitted``: to a cluster, which has the GPUs that it asks for.
    """
    if rule not in PASSES:
        return None
    if (last := measured(model, rule, "s")) is not None:
        return last
    folder = Path("results", model)
    try:
        size = model_size(study.model(model), folder / "model.json", folder / ".source.json")
    except FileNotFoundError:
        return 60.0
    work = tokens(study, rule, size, prompt_lengths(study, data))
    on_gpu = study.gpus_of(model) > 0 and (submitted or gpu_here())
    speed = known(Cache(study.execution.cache), "cuda" if on_gpu else "cpu")
    time = time_of(size, work, on_gpu=on_gpu, speed=speed)
    return 60 * (time.loading + time.working)


def measured(model: str, rule: str, column: str, folder: str | Path = "benchmarks") -> float | None:
    """What Snakemake measured of a finished job of the study in this folder: ``s``, ``max_rss`` (MiB), ...

    Of a pass that shards shared, the most of any of these.
    """
    own = Path(folder) / model
    found: list[float] = []
    for path in (own / f"{rule}.tsv", *own.glob(f"{rule}.*-of-*.tsv")):
        try:
            with open(path, encoding="utf-8", newline="") as handle:
                found += [float(row[column]) for row in csv.DictReader(handle, delimiter="\t")]
        except (OSError, KeyError, ValueError):
            continue
    return max(found, default=None)


def tokens(
    study: Study, rule: str, size: ModelSize, lengths: Mapping[str, Lengths] | None = None
) -> float:
    """About how many tokens a job of ``rule`` runs; ``lengths``: of the tasks' prompts."""
    return PASSES[rule].tokens(Job(study, size.widths, size.stateful, lengths or {}))


def needs(
    study: Study, rule: str, data: str | Path | None = None
) -> dict[str, Callable[..., int] | int]:
    """The ``resources:`` of a rule that loads a model: functions that Snakemake calls for each job.

    They are called when the job is about to be submitted, too: what was not known before is known then.
    ``data``: the folder of the tasks.
    """

    def gpu(wildcards: Any) -> int:
        return study.gpus_of(wildcards.model)

    def size(wildcards: Any) -> ModelSize | None:
        folder = Path("results", wildcards.model)
        files = folder / "model.json", folder / ".source.json"
        try:
            return model_size(study.model(wildcards.model), *files)
        except FileNotFoundError:
            return None

    def mem_mb(wildcards: Any, attempt: int) -> int:
        if (found := size(wildcards)) is None:
            return BASE_MB * attempt
        on_gpu = gpu(wildcards) > 0
        memory = stage_memory(study, found, rule, "cuda" if on_gpu else "cpu")
        return memory_mb(found, memory, on_gpu=on_gpu, attempt=attempt)

    def runtime(wildcards: Any, attempt: int) -> int:
        if (found := size(wildcards)) is None:
            return SHORTEST * attempt
        work = tokens(study, rule, found, prompt_lengths(study, data))
        return runtime_minutes(found, work, on_gpu=gpu(wildcards) > 0, attempt=attempt)

    # Jobs that share an allocation take turns (profiles/slurm): each takes its one slot.
    return {"gpu": gpu, "mem_mb": mem_mb, "runtime": runtime, "slot": 1}
