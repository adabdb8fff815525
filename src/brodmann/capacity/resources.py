"""What jobs that load a model ask a cluster for: memory, time and GPUs, from the model's size and the work.

Estimates, on the safe side: too much costs time in the queue, too little ends a job. A job that was ended is
tried again with more (``attempt``), and goes on where it was. A profile may replace any of it
(docs/cluster.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brodmann.capacity.prompt_lengths import USUAL, Lengths, prompt_lengths
from brodmann.capacity.sizes import ModelSize, model_size
from brodmann.capacity.stage_memory import PROMPT, StageMemory, stage_memory
from brodmann.circuits.estimators import compared, estimator
from brodmann.config.study import Study

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
# How many items a task without a number of its own may have.
_ITEMS = 1000
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


def time_of(size: ModelSize, tokens: float, *, on_gpu: bool) -> Time:
    """What it takes to load a model and to run so many tokens through it."""
    work = 2 * (size.active or size.parameters) * tokens / _SPEED["gpu" if on_gpu else "cpu"]
    return Time(size.bytes / _READING / 60, _MARGIN * work / 60)


def runtime_minutes(size: ModelSize, tokens: float, *, on_gpu: bool, attempt: int = 1) -> int:
    """Minutes that a job asks for, within what queues take; what is not done by then is gone on with."""
    minutes = time_of(size, tokens, on_gpu=on_gpu).minutes
    return min(LONGEST, max(SHORTEST, minutes) * attempt)


@dataclass(frozen=True)
class _Job:
    """What a job's work is counted from."""

    study: Study
    size: ModelSize
    lengths: Mapping[str, Lengths]

    def of(self, task: str) -> Lengths:
        """A task's prompts; all of them is run each time where a state cannot be kept and gone on from."""
        found = self.lengths.get(task, USUAL)
        if self.size.stateful:
            return Lengths(0.0, found.shared + found.rest, found.answer)
        return found


def tokens(
    study: Study, rule: str, size: ModelSize, lengths: Mapping[str, Lengths] | None = None
) -> float:
    """About how many tokens a job of ``rule`` runs; with gradients they count twice.

    ``lengths``: of the tasks' prompts. What clean and corrupted prompts, and all lesions of an item, begin
    with is run once.
    """
    return TOKENS[rule](_Job(study, size, lengths or {}))


# Texts of a localizer, both kinds, and passages of a corpus, about.
_TEXTS, _PASSAGES = 500, 50


def _items(study: Study) -> int:
    return study.tasks.items or _ITEMS


def _checking(job: _Job) -> float:
    return 200 * PROMPT


def _baseline(job: _Job) -> float:
    # Clean and corrupted, with both answers.
    each = sum(4 * job.of(task).whole for task in job.study.tasks.selected)
    return _items(job.study) * each


def _attribution(job: _Job) -> float:
    study, found, layers = job.study, job.study.attribution, job.size.widths.layers
    components = len(found.components)
    rows = estimator(found).rows(layers, components)

    def tail(task: str) -> float:
        """The last prompt token and an answer; or everything, where nothing can be gone on from."""
        own = job.of(task)
        return own.whole if job.size.stateful or task not in job.lengths else 1 + own.answer

    def of_list(tasks: tuple[str, ...]) -> float:
        each = (job.of(task) for task in tasks)
        read = sum(own.shared + 2 * own.rest for own in each)
        return _items(study) * (read + rows * sum(map(tail, tasks)))

    each = 2 * found.agreement_units * components
    each += sum(one.rows(layers, components) for one in compared(found))
    return (
        of_list(study.tasks.selected)
        + of_list(study.second_tasks)
        + found.agreement_items * each * sum(map(tail, found.agreement_tasks))
    )


def _ablation(job: _Job) -> float:
    study, made = job.study, job.study.ablation
    used = min(_items(study), made.max_items or _items(study))
    lesions = 1 + len(study.tasks.selected) * (1 + made.layer_matched_trials) + made.random_trials
    variants = len(study.ablated_selections) * len(study.attribution.components)
    total = 0.0
    for task in study.tasks.selected:
        own = job.of(task)
        for kind in made.kinds:
            # Lesions to corrupted activations begin where the prompts differ; others, with the prompt.
            once = own.shared if kind == "corrupted" else 0.0
            total += once + 2 * lesions * (own.whole - once)
    return used * variants * total


def _localizer(job: _Job) -> float:
    return PROMPT * _TEXTS * len(job.study.localizer.networks)


def _lesion(job: _Job) -> float:
    study, made = job.study, job.study.localizer.lesion
    lesions = 1 + len(study.localizer.lesioned) * len(made.kinds) * (1 + len(made.seeds))
    # Passages are longer than prompts.
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 2
    return PROMPT * len(study.localizer.networks) * lesions * each


def _networks(job: _Job) -> float:
    found = job.study.networks
    samples = len(found.datasets) * (found.group_samples + found.individual_samples)
    # Samples may be longer than prompts; decomposing one takes about as long as reading it.
    return PROMPT * samples * 2 * math.ceil(found.max_tokens / PROMPT)


def _network_use(job: _Job) -> float:
    study = job.study
    use, datasets = study.networks.use, len(study.networks.datasets)
    made = use.editing
    single = study.networks.group_components if made.networks else 0
    lines = datasets * (single + 2) + 3 * datasets * (datasets - 1) // 2 + 1
    edits = lines * (1 + len(made.seeds)) * len(made.edits)
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 4
    probed = (2 * datasets + 1) * (1 + len(made.seeds)) * len(made.edits)
    probed *= 2 * use.probing.items * len(use.probing.tasks)
    texts = (1 + edits) * each + probed + datasets * (use.following.texts + 1) + _TEXTS
    return PROMPT * texts


# Of every rule that loads a model: how many tokens it runs.
TOKENS: dict[str, Callable[[_Job], float]] = {
    "check_model": _checking,
    "baseline_pass": _baseline,
    "attribution_pass": _attribution,
    "ablation_pass": _ablation,
    "localizer_pass": _localizer,
    "lesion_pass": _lesion,
    "networks_pass": _networks,
    "network_use_pass": _network_use,
}


def needs(study: Study, rule: str, data: str | Path | None = None) -> dict[str, Callable[..., int]]:
    """The ``resources:`` of a rule that loads a model: functions that Snakemake calls for each job.

    They are called when the job is about to be submitted, too: what was not known before is known then.
    ``data``: the folder of the tasks.
    """

    def size(wildcards: Any) -> ModelSize:
        folder = Path("results", wildcards.model)
        return model_size(
            study.model(wildcards.model), folder / "model.json", folder / ".source.json"
        )

    def gpu(wildcards: Any) -> int:
        return study.gpus_of(wildcards.model)

    def mem_mb(wildcards: Any, attempt: int) -> int:
        try:
            found = size(wildcards)
        except FileNotFoundError:
            return BASE_MB * attempt
        on_gpu = study.gpus_of(wildcards.model) > 0
        memory = stage_memory(study, found, rule, "cuda" if on_gpu else "cpu")
        return memory_mb(found, memory, on_gpu=on_gpu, attempt=attempt)

    def runtime(wildcards: Any, attempt: int) -> int:
        try:
            found = size(wildcards)
        except FileNotFoundError:
            return SHORTEST * attempt
        on_gpu = study.gpus_of(wildcards.model) > 0
        work = tokens(study, rule, found, prompt_lengths(study, data))
        return runtime_minutes(found, work, on_gpu=on_gpu, attempt=attempt)

    return {"gpu": gpu, "mem_mb": mem_mb, "runtime": runtime}
