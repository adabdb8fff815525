"""What jobs that load a model ask a cluster for: memory, time and GPUs, from the model's size and the work.

Estimates, on the safe side: too much costs time in the queue, too little ends a job. A job that was ended is
tried again with more (``attempt``), and goes on where it was. A profile may replace any of it
(docs/cluster.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brodmann.config.study import Study
from brodmann.pipeline.sizes import ModelSize, model_size
from brodmann.pipeline.stage_memory import PROMPT, StageMemory, stage_memory

# Memory of the host beside the model's: three interpreters, torch, CUDA's own, items and scores.
BASE_MB = 6000
# Room above what is predicted. On a GPU job's host weights only pass through, as pages of their files.
HEADROOM = 1.2

# Minutes. Starting and loading take some even for the smallest model; few queues take more than a day.
SHORTEST = 30
LONGEST = 24 * 60
# Weights are read at this rate from a busy shared file system (bytes/s).
_READING = 100e6
# What forward passes reach, in operations a second: a modest share of a data-centre GPU; eight cores.
_SPEED = {"gpu": 2e13, "cpu": 2e11}
# How many items a task without a number of its own may have.
_ITEMS = 1000
_MARGIN = 2.0


def gpus(study: Study, model: str) -> int:
    """GPUs of a job: none on the CPU, else what the model's entry says."""
    return 0 if study.execution.device == "cpu" else study.model(model).gpus


def memory_mb(size: ModelSize, memory: StageMemory, *, on_gpu: bool, attempt: int = 1) -> int:
    """Memory of the host in MB; every further attempt asks for as much again."""
    held = size.bytes + size.passing + memory.gathered + (0 if on_gpu else memory.batch)
    return math.ceil(BASE_MB + HEADROOM * held / 1e6) * attempt


def runtime_minutes(size: ModelSize, prompts: int, *, on_gpu: bool, attempt: int = 1) -> int:
    """Minutes to load a model and to read so many prompts, within what queues take."""
    work = 2 * size.parameters * PROMPT * prompts / _SPEED["gpu" if on_gpu else "cpu"]
    minutes = math.ceil((size.bytes / _READING + _MARGIN * work) / 60)
    return min(LONGEST, max(SHORTEST, minutes) * attempt)


def prompts(study: Study, rule: str) -> int:
    """About how many prompts a job of ``rule`` reads; a backward pass counts as two."""
    return PROMPTS[rule](study)


# Texts of a localizer, both kinds, and passages of a corpus, about.
_TEXTS, _PASSAGES = 500, 50


def _items(study: Study) -> int:
    return study.tasks.items or _ITEMS


def _checking(study: Study) -> int:
    return 200


def _baseline(study: Study) -> int:
    # Clean and corrupted, with both answers.
    return len(study.tasks.selected) * _items(study) * 4


def _attribution(study: Study) -> int:
    found = study.attribution
    # Clean and corrupted, and the way back from the one or from every step between them.
    each = (
        2
        + {"patching": 4, "ig": 3 * found.ig_steps, "exact": 4 + found.exact_units}[found.estimator]
    )
    lists = len(study.tasks.selected) + len(study.second_tasks)
    compared = len(found.agreement_tasks) * found.agreement_items * found.agreement_units
    return lists * _items(study) * each + compared * len(found.components)


def _ablation(study: Study) -> int:
    made = study.ablation
    tasks = len(study.tasks.selected)
    used = min(_items(study), made.max_items or _items(study))
    lesions = 1 + tasks * (1 + made.layer_matched_trials) + made.random_trials
    variants = len(made.kinds) * len(study.ablated_selections) * len(study.attribution.components)
    return tasks * used * 2 * lesions * variants


def _localizer(study: Study) -> int:
    return _TEXTS * len(study.localizer.networks)


def _lesion(study: Study) -> int:
    made = study.localizer.lesion
    lesions = 1 + len(study.localizer.lesioned) * len(made.kinds) * (1 + len(made.seeds))
    # Passages are longer than prompts.
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 2
    return len(study.localizer.networks) * lesions * each


def _networks(study: Study) -> int:
    found = study.networks
    samples = len(found.datasets) * (found.group_samples + found.individual_samples)
    # Samples may be longer than prompts; decomposing one takes about as long as reading it.
    return samples * 2 * math.ceil(found.max_tokens / PROMPT)


def _network_use(study: Study) -> int:
    use, datasets = study.networks.use, len(study.networks.datasets)
    made = use.editing
    single = study.networks.group_components if made.networks else 0
    lines = datasets * (single + 2) + 3 * datasets * (datasets - 1) // 2 + 1
    edits = lines * (1 + len(made.seeds)) * len(made.edits)
    each = 4 * (made.passages or _PASSAGES) + len(made.tasks) * made.items * 4
    probed = (2 * datasets + 1) * (1 + len(made.seeds)) * len(made.edits)
    probed *= 2 * use.probing.items * len(use.probing.tasks)
    return (1 + edits) * each + probed + datasets * (use.following.texts + 1) + _TEXTS


# Of every rule that loads a model: how many prompts it reads.
PROMPTS: dict[str, Callable[[Study], int]] = {
    "check_model": _checking,
    "baseline_pass": _baseline,
    "attribution_pass": _attribution,
    "ablation_pass": _ablation,
    "localizer_pass": _localizer,
    "lesion_pass": _lesion,
    "networks_pass": _networks,
    "network_use_pass": _network_use,
}


def needs(study: Study, rule: str) -> dict[str, Callable[..., int]]:
    """The ``resources:`` of a rule that loads a model: functions that Snakemake calls for each job.

    They are called when the job is about to be submitted, too: what was not known before is known then.
    """

    def size(wildcards: Any) -> ModelSize:
        folder = Path("results", wildcards.model)
        return model_size(
            study.model(wildcards.model), folder / "model.json", folder / ".source.json"
        )

    def gpu(wildcards: Any) -> int:
        return gpus(study, wildcards.model)

    def mem_mb(wildcards: Any, attempt: int) -> int:
        try:
            found = size(wildcards)
        except FileNotFoundError:
            return BASE_MB * attempt
        on_gpu = gpus(study, wildcards.model) > 0
        memory = stage_memory(study, found, rule, "cuda" if on_gpu else "cpu")
        return memory_mb(found, memory, on_gpu=on_gpu, attempt=attempt)

    def runtime(wildcards: Any, attempt: int) -> int:
        try:
            found = size(wildcards)
        except FileNotFoundError:
            return SHORTEST * attempt
        on_gpu = gpus(study, wildcards.model) > 0
        return runtime_minutes(found, prompts(study, rule), on_gpu=on_gpu, attempt=attempt)

    return {"gpu": gpu, "mem_mb": mem_mb, "runtime": runtime}
