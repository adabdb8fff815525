"""What jobs that load a model ask a cluster for: memory, time and GPUs, from the model's size and the work.

Estimates, on the safe side: too much costs time in the queue, too little ends a job. A job that was ended is
tried again with more (``attempt``), and goes on where it was. A profile may replace any of it
(docs/cluster.md).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brodmann.capacity.prompt_lengths import prompt_lengths
from brodmann.capacity.rates import CPU, GPU, Rates, Time, gpu_here, rates, rates_here
from brodmann.capacity.sharing import PCIE, gain
from brodmann.capacity.sizes import ModelSize, model_size
from brodmann.capacity.stage_memory import StageMemory, stage_memory
from brodmann.config.study import Study
from brodmann.models.cache import Cache
from brodmann.pipeline.slurm import LONGEST
from brodmann.pipeline.stages import PASSES, STAGES
from brodmann.pipeline.time_left import UNKNOWN
from brodmann.runner.asked import attributions_are_asked
from brodmann.runner.costs import Effort, Job

# Memory of the host beside the model's: three interpreters, torch, CUDA's own, items and scores.
BASE_MB = 6000
# Room above what is predicted. On a GPU job's host weights only pass through, as pages of their files.
HEADROOM = 1.2

# Minutes: starting and loading take some even for the smallest model.
SHORTEST = 30
# How often a job is submitted again by the profile that comes with brodmann (profiles/slurm/config.yaml).
RETRIES = 3
# Jobs ask for more than their work may take: nodes differ, and are shared.
_MARGIN = 2.0


def memory_mb(size: ModelSize, memory: StageMemory, *, on_gpu: bool, attempt: int = 1) -> int:
    """Memory of the host in MB; every further attempt asks for as much again."""
    device = "cuda" if on_gpu else "cpu"
    held = (
        size.held(device) + size.passing(device) + memory.gathered + (0 if on_gpu else memory.batch)
    )
    return math.ceil(BASE_MB + HEADROOM * held / 1e6) * attempt


def runtime_minutes(time: Time, *, attempt: int = 1, limit: float = LONGEST) -> int:
    """Minutes that a job asks for, within what queues take; what is not done by then is gone on with."""
    minutes = math.ceil(time.loading + _MARGIN * time.working)
    return min(math.floor(limit), max(SHORTEST, minutes) * attempt)


def expected_seconds(
    study: Study, rule: str, model: str, *, submitted: bool, data: str | Path | None = None
) -> float | None:
    """How long a job may take: as long as last time, else as its tokens; None if it loads no model, UNKNOWN
    as long as its model's size is.

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
        return UNKNOWN
    together = attributions_are_asked() or None
    time = time_here(study, rule, model, size, data, submitted=submitted, together=together)
    return 60 * time.minutes


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


def effort(
    study: Study,
    rule: str,
    model: str,
    size: ModelSize,
    data: str | Path | None = None,
    *,
    on_gpu: bool,
    together: bool | None = None,
) -> Effort:
    """What a job of ``rule`` does if nothing of it is in the store.

    ``data``: the folder of the tasks, whose prompts are measured; without it they are taken for usual ones.
    ``together``: whether the same run asks for baselines and attributions, if that is known.
    """
    chat = {"chat": True, "completion": False}.get(study.model(model).format, size.chat)
    lengths = prompt_lengths(study, None if data is None else str(data), chat)
    device = "cuda" if on_gpu else "cpu"
    return PASSES[rule].effort(
        Job(study, size.widths, model, size.stateful, size.shares, lengths, device, together)
    )


def time_of(
    study: Study,
    rule: str,
    model: str,
    size: ModelSize,
    data: str | Path | None = None,
    *,
    on_gpu: bool,
    here: Rates | None = None,
    together: bool | None = None,
) -> Time:
    """How long such a job takes, see ``effort``; ``here``: on which device, if not on a usual one."""
    work = effort(study, rule, model, size, data, on_gpu=on_gpu, together=together)
    entry = study.model(model)
    shared = on_gpu and entry.parallel == "tensor" and STAGES[rule].name != "check_model"
    faster = gain(size, entry.gpus, PCIE) if shared else 1.0
    return (here or rates(GPU if on_gpu else CPU)).time(STAGES[rule].store, size, work, faster)


def time_here(
    study: Study,
    rule: str,
    model: str,
    size: ModelSize,
    data: str | Path | None = None,
    *,
    submitted: bool,
    together: bool | None = None,
) -> Time:
    """The same where it will run: on this machine, or (``submitted``) on a cluster, which has GPUs."""
    on_gpu = study.gpus_of(model) > 0 and (submitted or gpu_here())
    here = rates_here(Cache(study.execution.cache), "cuda" if on_gpu else CPU)
    return time_of(study, rule, model, size, data, on_gpu=on_gpu, here=here, together=together)


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
        on_gpu = gpu(wildcards) > 0
        time = time_of(study, rule, wildcards.model, found, data, on_gpu=on_gpu)
        return runtime_minutes(time, attempt=attempt)

    # Jobs that share an allocation take turns (profiles/slurm): each takes its one slot.
    return {"gpu": gpu, "mem_mb": mem_mb, "runtime": runtime, "slot": 1}
