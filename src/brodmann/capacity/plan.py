"""``brodmann plan``: what each stage of each model will need, said before anything is submitted.

The same predictions as the ``resources:`` of the rules (``stage_memory``, ``resources``): weights, the work
on one row and on a batch, how many GPUs that makes, and what a job will ask a cluster for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from brodmann.capacity import resources
from brodmann.capacity.rates import CPU, Rates, Time, rates, rates_here
from brodmann.capacity.sizes import ModelSize, model_size, size_of_folder
from brodmann.capacity.stage_memory import CUDA_CONTEXT, StageMemory, stage_memory
from brodmann.config.models import ModelEntry
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.models import used_sites as sites
from brodmann.models.cache import Cache
from brodmann.models.sources import at_hand
from brodmann.pipeline.stages import STAGES, passes_of
from brodmann.sites import OF_MIXTURES

GB = 1e9
# What a device's allocator can hand out of it: the rest is lost between blocks.
_USABLE = 0.92


@dataclass(frozen=True)
class StagePlan:
    """One stage of one model: memory in bytes, the time it takes, a job's request (``mem_mb``, ``runtime`` in
    minutes), and what a finished job took (or None)."""

    memory: StageMemory
    gpus: int
    time: Time
    mem_mb: int
    runtime: int
    measured: int | None

    @property
    def stage(self) -> str:
        """What it is called."""
        return STAGES[self.memory.rule].store


@dataclass(frozen=True)
class ModelPlan:
    """All stages of one model; none if its check would refuse it, for the reasons in ``refused``."""

    entry: ModelEntry
    size: ModelSize
    stages: tuple[StagePlan, ...]
    gpu_bytes: int
    refused: tuple[str, ...] = ()
    basis: str = ""  # what times are made of
    job_minutes: float = resources.LONGEST  # that a job may take

    @property
    def gpus(self) -> int:
        """GPUs that the neediest stage takes (0 on the CPU)."""
        return max((stage.gpus for stage in self.stages), default=0)

    @property
    def advice(self) -> str:
        """What to change in the model's entry; nothing if it is fine as it is."""
        asked, needed = self.entry.gpus, self.gpus
        if needed > asked:
            more = "" if self.entry.parallel == "tensor" else "device_map: auto and "
            return f"set {more}gpus: {needed}"
        if 0 < needed < asked:
            return f"gpus: {needed} would do"
        return ""


def plan(
    study: Study,
    names: Sequence[str],
    *,
    results: str | Path = "results",
    data: str | Path | None = None,
    on_cpu: bool = False,
    gpu_gb: float = 80.0,
    gpu_kind: str | None = None,
    job_minutes: float = resources.LONGEST,
) -> list[ModelPlan]:
    """The plans of some models; all models whose size is unknown are told at once.

    ``data``: the folder of the tasks, whose prompts are measured; without it they are taken for usual ones.
    ``gpu_kind``: one of ``rates.yaml``; without it, what was measured here, or a usual one. ``job_minutes``:
    how long a job may take.
    """
    cache = Cache(study.execution.cache)
    plans, problems = [], []
    for name in names:
        entry = study.model(name)
        try:
            size = find_size(entry, cache, Path(results))
        except UserError as error:
            problems += error.problems
            continue
        on_gpu = not on_cpu and study.gpus_of(name) > 0
        gpu_bytes = int(gpu_gb * GB)
        if refused := _refused(study, name, size):
            plans.append(ModelPlan(entry, size, (), gpu_bytes, refused))
        else:
            here = rates_here(cache, "cuda" if on_gpu else CPU)
            here = rates(gpu_kind) if gpu_kind and on_gpu else here
            found = ModelPlan(entry, size, (), gpu_bytes, (), here.basis, job_minutes)
            stages = tuple(_stages(study, found, here, on_gpu, data))
            plans.append(replace(found, stages=stages))
    if problems:
        raise UserError(*problems)
    return plans


def find_size(entry: ModelEntry, cache: Cache, results: Path) -> ModelSize:
    """A model's size: from results where there are some, else from what is in the cache."""
    folder = results / entry.name
    files = folder / "model.json", folder / ".source.json"
    local = at_hand(entry, cache)
    if files[0].is_file():
        return model_size(entry, *files, folder=local)
    found = None if local is None else size_of_folder(local, entry)
    if found is not None:
        return found
    try:
        return model_size(entry, *files)
    except FileNotFoundError:
        what = "its size is not known: it has not been fetched"
        fix = (
            "run 'snakemake models' first, or give a folder with its config.json: source: path:DIR"
        )
        raise UserError.at(f"models.{entry.name}", what, fix) from None


def _refused(study: Study, name: str, size: ModelSize) -> tuple[str, ...]:
    """Why a mixture of experts would not get past its check in this study; nothing if it would."""
    if size.active is None:
        return ()
    lacking = {"mlp_hidden"} if size.hidden or study.model(name).parallel == "tensor" else set()
    lacking |= set(OF_MIXTURES) if "mlp_hidden" in lacking else set()
    works = {"mlp_hidden", "heads", "mlp_output", "block_output"} - lacking
    found = []
    for need in sites.needs(study, name):
        if need.site in lacking:
            other = need.advice(works) or "leave the model out"
            what = f"not supported (mixture of experts): no {need.site} for {need.key}"
            found.append(f"{what}; {other}")
    if level := sites.layers_of_neurons(study, name):
        found.append(
            f"not supported (mixture of experts): granularity.levels: {level}; leave it out"
        )
    return tuple(found)


def _stages(
    study: Study, plan: ModelPlan, here: Rates, on_gpu: bool, data: str | Path | None
) -> Iterator[StagePlan]:
    """Of a model's passes; ``plan``: without them."""
    name, size = plan.entry.name, plan.size
    for stage in passes_of(study, name):
        memory = stage_memory(study, size, stage.name, "cuda" if on_gpu else "cpu")
        time = resources.time_of(
            study, stage.name, name, size, data, on_gpu=on_gpu, here=here, together=True
        )
        yield StagePlan(
            memory,
            gpus_needed(memory, plan.gpu_bytes, name) if on_gpu else 0,
            time,
            resources.memory_mb(size, memory, on_gpu=on_gpu),
            resources.runtime_minutes(time, limit=plan.job_minutes),
            measured_peak(name, stage.name),
        )


def gpus_needed(memory: StageMemory, gpu_bytes: int, name: str) -> int:
    """How many GPUs of this size hold the weights, each with room for its work on one row at least."""
    room = gpu_bytes * _USABLE - CUDA_CONTEXT - memory.least
    if room <= 0:
        what = f"the work on a single text takes {memory.least / GB:.1f} GB in {memory.rule}"
        fix = f"it does not fit a GPU of {gpu_bytes / GB:g} GB, however many there are"
        raise UserError.at(f"models.{name}", what, fix)
    return max(1, math.ceil(memory.weights / room))


def batch_taken(stage: StagePlan, gpu_bytes: int) -> int:
    """What a batch will take: all it can use, or what the weights leave free; it is made smaller then."""
    if not stage.gpus:
        return stage.memory.batch
    free = gpu_bytes * _USABLE - CUDA_CONTEXT - stage.memory.weights / stage.gpus
    return max(stage.memory.least, min(stage.memory.batch, int(free)))


def measured_peak(model: str, rule: str, folder: str | Path = "benchmarks") -> int | None:
    """Peak memory (bytes) of a finished job of the study in this folder, as Snakemake measured it."""
    peak = resources.measured(model, rule, "max_rss", folder)
    return None if peak is None else int(peak * 1024 * 1024)
