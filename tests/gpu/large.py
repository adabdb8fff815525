"""Section *large*: a 32 B shape on one card, and its peak memory against what ``brodmann plan`` says."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu.circuits import TARGETS, drop, loaded, rate, shape_of, targets_of
from gpu.clock import Budget, stage, timed
from gpu.report import Report
from gpu.shapes import QWEN
from gpu.subject import NAME, Subject
from gpu.work_done import counted

# Weights and room for a batch; a card with less cannot hold them.
NEEDED = 74e9
# Of the first task, no item is aligned where a tokenizer spells byte by byte.
SMALL_TASK = "formal/add_sub_2op_symbolic"
# Items of a task. Those of the first fill a batch where there is little room beside the weights; beyond so
# many bytes, those of all targets.
ITEMS, MUCH = 200, 100e9
# What the driver and the libraries hold, which the allocator does not count, is no part of the prediction.
LEAST, MOST = 0.75, 1.0


def large(report: Report, budget: Budget, setting: Any) -> None:
    """Section d."""
    name = "large"
    drop()
    cuda = setting.device.type == "cuda"
    total = torch.cuda.get_device_properties(setting.device).total_memory if cuda else 80e9
    if cuda and not setting.small and total < NEEDED:
        report.add(
            name,
            f"left out: needs a card of {NEEDED / 1e9:.0f} GB, this one has",
            total / 1e9,
            "GB",
        )
        return
    shape = shape_of(QWEN, setting)
    with stage(f"{shape.name}: drawing weights"):
        model, seconds = timed(lambda: loaded(shape, setting))
    report.add(name, f"{shape.name}: weights drawn on the device", seconds, "s")
    settings = {
        "tasks": {
            "include": tasks_for(total, setting.small),
            "items": 24 if setting.small else ITEMS,
            "min_items": 1,
        },
        "attribution": {"second_seed": False, "splits": 0, "bootstraps": 0},
        "execution": {"device": setting.device.type},
    }
    with tempfile.TemporaryDirectory(prefix="brodmann-32b-") as folder:
        subject = Subject(Path(folder) / "study", shape, model, settings)
        subject.prepare()
        subject.baseline(subject.tasks)
        subject.write_baselines(subject.tasks)
        subject.random_masks(subject.tasks)
        tasks = [task for task in subject.tasks if subject.target(task) is not None]
        target = targets_of(subject, tasks)[0]
        few = {
            "max_items": 2 if setting.small else 32,
            "layer_matched_trials": 3,
            "random_trials": 3,
        }
        planned = plan_of(subject, total, cuda)
        for stage_, run in (
            ("attribution", lambda: subject.attribution(tasks)),
            ("ablation", lambda: subject.ablation(target, tasks, few)),
        ):
            if budget.left <= 0:
                break
            with stage(stage_):
                _measure(report, subject, setting, stage_, run, planned[stage_], cuda)


def tasks_for(total: float, small: bool) -> list[str]:
    """The tasks whose items fill a batch on a card of ``total`` bytes."""
    if small:
        return [SMALL_TASK]
    return list(TARGETS) if total > MUCH else list(TARGETS[:1])


def plan_of(subject: Subject, total: float, cuda: bool) -> dict[str, float]:
    """Stage -> bytes that the plan says weights and a batch take."""
    from brodmann.capacity.plan import batch_taken, plan

    with contextlib.chdir(subject.folder):
        [found] = plan(subject.study, [NAME], on_cpu=not cuda, gpu_gb=total / 1e9)
    if found.refused or not found.stages:
        raise RuntimeError(f"the plan refuses the model: {found.refused}")
    return {
        one.stage: one.memory.weights / max(1, one.gpus) + batch_taken(one, found.gpu_bytes)
        for one in found.stages
    }


def _measure(
    report: Report,
    subject: Subject,
    setting: Any,
    name: str,
    run: Callable[[], object],
    planned: float,
    cuda: bool,
) -> None:
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with counted(subject.model.hf, subject.shape) as work:
        _, seconds = timed(run)
    report.add("large", f"{name}", seconds, "s")
    report.add("large", f"{name}: tokens run", work.tokens / seconds, "tokens/s")
    report.add(
        "large", f"{name}: share of the matmul rate", work.operations / seconds / rate(setting)
    )
    report.add("large", f"{name}: planned for weights and a batch", planned / 1e9, "GB")
    if cuda:
        peak = torch.cuda.max_memory_allocated()
        report.add("large", f"{name}: peak memory", peak / 1e9, "GB")
        ends = {} if setting.small else {"least": LEAST, "most": MOST}
        report.add("large", f"{name}: peak as a share of the plan", peak / planned, **ends)
