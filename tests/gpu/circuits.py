"""Sections *attribution* and *ablation*: random weights of an 8 B shape, against the published way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu import plain
from gpu.clock import Budget, stage, timed
from gpu.machine import copy_rate, matmul_rate
from gpu.report import Report
from gpu.shapes import LLAMA, Shape, draw
from gpu.subject import Subject
from gpu.work_done import WorkDone, counted
from scipy.stats import spearmanr

# One of each domain, dual-answer, of usual length.
TARGETS = (
    "language/subject_verb_agreement",
    "formal/add_sub_2op_symbolic",
    "physical/brightness",
    "social/norm_moral",
)
ITEMS = 32
# Shares of the time of a section that the published procedure may take.
PLAIN_SHARE = 0.2


def tokenizer_of(setting: Any) -> Any:
    """The bundle's; without one (tiny sizes only) one that spells byte by byte."""
    if setting.tokenizer is None:
        from tiny_models import CHAT_TEMPLATE, tiny_tokenizer

        return tiny_tokenizer(CHAT_TEMPLATE)
    from brodmann.models.load import load_tokenizer

    return load_tokenizer(setting.tokenizer, "tokenizer", trust_remote_code=False)


def loaded(shape: Shape, setting: Any, seed: int = 0) -> Any:
    """A random model of a shape, as ``brodmann`` holds one."""
    from brodmann.models.load import wrap_model
    from brodmann.models.startup import import_model_code

    import_model_code()
    return wrap_model(
        draw(shape, setting.device, torch.bfloat16, seed), tokenizer_of(setting), name="subject"
    )


def shape_of(full: Shape, setting: Any) -> Shape:
    """The shape, or what stands for it in tiny sizes."""
    return full.small(len(tokenizer_of(setting))) if setting.small else full


_HELD: dict[str, Any] = {}  # the one model that sections share


def drop() -> None:
    """Let go of the shared model: the next section needs the card for itself."""
    import gc

    _HELD.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def shared(report: Report, setting: Any) -> Subject:
    """The 8 B subject, made by the first section that asks."""
    if "subject" not in _HELD:
        shape = shape_of(LLAMA, setting)
        with stage(f"{shape.name}: drawing weights"):
            model, seconds = timed(lambda: loaded(shape, setting))
        report.add("attribution", f"{shape.name}: weights drawn on the device", seconds, "s")
        _HELD["folder"] = tempfile.TemporaryDirectory(prefix="brodmann-8b-")
        include = [*TARGETS, "formal/number_sequence"] if setting.small else ["*"]
        settings = {
            "tasks": {"include": include, "items": 3 if setting.small else ITEMS, "min_items": 1},
            # Halves and bootstraps are the host's work, and timed apart.
            "attribution": {"second_seed": False, "splits": 0, "bootstraps": 0},
            "execution": {"device": setting.device.type},
        }
        _HELD["subject"] = Subject(Path(_HELD["folder"].name) / "study", shape, model, settings)
        with stage("items, self-check"):
            _HELD["subject"].prepare()
    return _HELD["subject"]


@cache
def rate(setting: Any) -> float:
    """The device's own bf16 rate, measured once."""
    return matmul_rate(setting.device, torch.bfloat16, 256 if setting.small else 8192)


@dataclass
class Measured:
    """A pass: what it ran, in which time."""

    seconds: float
    work: WorkDone
    tasks: list[str]

    def share(self, setting: Any) -> float:
        """Of the device's matmul rate."""
        return self.work.operations / self.seconds / rate(setting)


def measured(subject: Subject, run: Any, tasks: Sequence[str]) -> Measured:
    """Run a pass over tasks; count what the model runs."""
    with counted(subject.model.hf, subject.shape) as work:
        _, seconds = timed(lambda: run(tasks))
    return Measured(seconds, work, list(tasks))


def in_chunks(
    subject: Subject, run: Any, after: Any, tasks: Sequence[str], budget: Budget
) -> Measured:
    """A pass over more and more tasks at once, as long as the budget lasts. The first warms up: it is counted
    only where it is the only one."""
    first = measured(subject, run, tasks[:1])
    after(tasks[:1])
    print(f"  first task: {first.seconds:.2f} s", flush=True)
    total = Measured(0.0, WorkDone(subject.shape), [])
    done, size, each = 1, 3, first.seconds
    while done < len(tasks):
        fit = min(size, len(tasks) - done)
        if total.tasks:
            fit = min(fit, int(budget.left / each))
        if fit < 1 or budget.left <= 0:
            break
        some = tasks[done : done + fit]
        found = measured(subject, run, some)
        after(some)
        total.seconds += found.seconds
        total.tasks += some
        total.work.add(found.work)
        done, size, each = done + fit, size * 3, total.seconds / len(total.tasks)
        print(f"  {done} tasks, {each:.2f} s each", flush=True)
    return total if total.tasks else first


def spread_tasks(tasks: Sequence[str]) -> list[str]:
    """The tasks in an order in which any first few are of all domains; the targets of ablations first."""
    first = [task for task in TARGETS if task in tasks]
    rest = [task for task in tasks if task not in first]
    by_place = sorted(range(len(rest)), key=lambda n: (n % 7, n))
    return first + [rest[n] for n in by_place]


def baselines(report: Report, subject: Subject, budget: Budget, setting: Any) -> list[str]:
    """Run those that are not there yet; returns the tasks that have circuits."""
    tasks = spread_tasks(subject.tasks)
    if "included" not in _HELD:
        have: list[str] = []

        def after(some: Sequence[str]) -> None:
            subject.write_baselines(some)
            have.extend(some)

        with stage("baselines"):
            found = in_chunks(subject, subject.baseline, after, tasks, budget)
        # A task without an aligned item has no circuit.
        _HELD["included"] = [task for task in have if subject.target(task) is not None]
        name, seconds = "attribution", found.seconds
        report.add(name, "baseline: tasks", len(have), f"of {len(tasks)}")
        report.add(name, "tasks with aligned items", len(_HELD["included"]))
        report.add(name, "baseline: a task", seconds / len(found.tasks), "s")
        report.add(name, "baseline: tokens run", found.work.tokens / seconds, "tokens/s")
        report.add(name, "baseline: share of the matmul rate", found.share(setting))
    return _HELD["included"]


def attribution(report: Report, budget: Budget, setting: Any) -> None:
    """Section b."""
    name = "attribution"
    report.add(name, "bf16 matrix product", rate(setting) / 1e12, "TFLOP/s")
    copied = copy_rate(setting.device, 1 << (20 if setting.small else 30))
    report.add(name, "copy within the device", copied / 1e12, "TB/s")
    subject = shared(report, setting)
    tasks = baselines(report, subject, budget.part(0.4 * budget.seconds), setting)
    compared = tasks[0]
    theirs: dict[str, np.ndarray] = {}

    def after(some: Sequence[str]) -> None:
        if compared in some:
            theirs[compared] = subject.attribution_of(compared)

    own = budget.part(budget.left - PLAIN_SHARE * budget.seconds)
    with stage("attribution"):
        found = in_chunks(subject, subject.attribution, after, tasks, own)
    items = {task: subject.encoded(task) for task in (compared, *found.tasks)}
    n_items = sum(len(items[task]) for task in found.tasks)
    prompts = sum(len(item.clean) for task in found.tasks for item in items[task])
    report.add(name, "tasks attributed", len(items), f"of {len(tasks)}")
    report.add(name, "items", n_items / found.seconds, "items/s")
    report.add(name, "tokens of the items' clean prompts", prompts / found.seconds, "tokens/s")
    report.add(name, "tokens run", found.work.tokens / found.seconds, "tokens/s")
    report.add(name, "passes with a head, each", found.seconds / max(1, found.work.passes), "s")
    least = None if setting.small else 0.4
    report.add(name, "share of the matmul rate", found.share(setting), least=least)
    each = found.seconds / len(found.tasks)
    report.add(name, "a task without halves and bootstraps (all of the above)", each, "s")
    _with_replicates(report, subject, found.tasks[:1])
    _against_plain(report, subject, budget, setting, items, found.tasks, found.seconds / prompts)
    _same(report, subject, items[compared], theirs[compared])


def _with_replicates(report: Report, subject: Subject, tasks: Sequence[str]) -> None:
    """The same with the halves and bootstraps of a usual study, which are the host's work."""
    study = subject.with_settings({"attribution": {"second_seed": False}})

    def run(some: Sequence[str]) -> None:
        subject.attribution(some, store="-replicates", study=study)

    with stage(f"{len(tasks)} tasks with replicates"):
        found = measured(subject, run, tasks)
    each = found.seconds / len(tasks)
    report.add("attribution", "a task with halves and bootstraps (defaults)", each, "s")


def _against_plain(
    report: Report,
    subject: Subject,
    budget: Budget,
    setting: Any,
    items: dict[str, list[Any]],
    tasks: Sequence[str],
    ours: float,
) -> None:
    """Time the published procedure on eight items of each task, as long as there is time; ``ours``: seconds a
    token of the clean prompts."""
    end = budget.part(PLAIN_SHARE * budget.seconds)
    spent, tokens, count = 0.0, 0, 0
    with stage("the published procedure"):
        plain.attribution(subject.model, items[tasks[0]][: plain.BATCH])  # warms up
        for task in tasks:
            some = items[task][: plain.BATCH]
            if end.left <= 0 and count:
                break
            _, seconds = timed(lambda some=some: plain.attribution(subject.model, some))
            spent, count = spent + seconds, count + len(some)
            tokens += sum(len(item.clean) for item in some)
    report.add("attribution", f"published procedure ({count} items)", count / spent, "items/s")
    least = None if setting.small else 30
    report.add("attribution", "times as fast, per prompt token", spent / tokens / ours, least=least)


def _same(report: Report, subject: Subject, items: Sequence[Any], ours: np.ndarray) -> None:
    """The published procedure finds what we find, as far as bf16 goes."""
    with stage("the two results"):
        expected = plain.attribution(subject.model, items).double().cpu().numpy().ravel()
    found = ours.astype(float).ravel()
    strong = np.argsort(-np.abs(expected))[: max(8, expected.size // 1000)]
    same = float((np.sign(expected[strong]) == np.sign(found[strong])).mean())
    report.add("attribution", "same sign as the published, strongest 0.1 %", same, least=0.9)
    rank = float(spearmanr(expected[strong], found[strong]).statistic)
    report.add("attribution", "rank correlation with it there", rank, least=0.9)


def targets_of(subject: Subject, tasks: Sequence[str]) -> list[str]:
    """A task of every domain with two answers: the usual one, or the first that has aligned items."""
    found: dict[str, str] = {}
    for task in [task for task in TARGETS if task in tasks] + list(tasks):
        domain = task.partition("/")[0]
        if domain not in found and not subject.target(task).items.single_answer:
            found[domain] = task
    return list(found.values())


def ablation(report: Report, budget: Budget, setting: Any) -> None:
    """Section c."""
    name = "ablation"
    subject = shared(report, setting)
    tasks = baselines(report, subject, budget.part(0.3 * budget.seconds), setting)
    subject.random_masks(tasks)
    targets = targets_of(subject, tasks)
    pilot = {"max_items": 2, "layer_matched_trials": 1, "random_trials": 1}
    with stage("pilot"):
        rows, seconds = timed(lambda: subject.ablation(targets[0], tasks, pilot))
    print(f"  pilot: {rows} rows in {seconds:.1f} s", flush=True)
    end = budget.part(budget.left - PLAIN_SHARE * budget.seconds)
    lesions = 1 + 4 * len(tasks) + 3
    # As many items as all targets have time for.
    fit = end.left / len(targets) * rows / seconds / lesions
    count = next((n for n in (ITEMS, 16, 8, 4, 2) if n <= fit), 2)
    full = {"max_items": count}
    done, total, spent = WorkDone(subject.shape), 0, 0.0
    for number, target in enumerate(targets):
        if number and end.left < spent / number:
            break
        with stage(f"{target}, {count} items"), counted(subject.model.hf, subject.shape) as work:
            rows, seconds = timed(lambda target=target: subject.ablation(target, tasks, full))
        total, spent = total + rows, spent + seconds
        done.add(work)
        report.add(name, f"{target}: rows", rows / seconds, "rows/s")
    report.add(name, f"sources with controls ({count} items of a target)", len(tasks))
    report.add(name, "rows (lesion, item)", total / spent, "rows/s")
    report.add(name, "tokens run", done.tokens / spent, "tokens/s")
    share = done.operations / spent / rate(setting)
    report.add(name, "share of the matmul rate", share, least=None if setting.small else 0.35)
    _ablation_against_plain(report, subject, budget, setting, targets, full, total / spent)


def _ablation_against_plain(
    report: Report,
    subject: Subject,
    budget: Budget,
    setting: Any,
    targets: Sequence[str],
    settings: dict[str, Any],
    ours: float,
) -> None:
    dice = np.random.default_rng(1)
    n_units = subject.model.n_layers * subject.model.neurons_per_layer
    end = budget.part(PLAIN_SHARE * budget.seconds)
    spent, rows = 0.0, 0
    with stage("the published procedure"):
        while rows == 0 or (end.left > 0 and not setting.small):
            for target in targets:
                items = subject.encoded(target, settings)[: 2 * plain.BATCH]
                units = dice.choice(n_units, max(1, n_units // 1000), replace=False).tolist()
                if not rows:
                    plain.ablation(subject.model, items[: plain.BATCH], units)  # warms up
                run = lambda items=items, units=units: plain.ablation(subject.model, items, units)  # noqa: E731
                _, seconds = timed(run)
                spent, rows = spent + seconds, rows + len(items)
    report.add("ablation", f"published procedure ({rows} rows)", rows / spent, "rows/s")
    least = None if setting.small else 50
    report.add("ablation", "times as fast", ours / (rows / spent), least=least)
