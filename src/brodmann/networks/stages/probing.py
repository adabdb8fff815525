"""Probing: what a linear reader finds in a model's last features, intact and with networks edited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.networks import conditions as sets
from brodmann.networks.conditions import Condition
from brodmann.networks.stages.editing import Editing, edits_of
from brodmann.networks.stages.use import UseStage, stored
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import Edit, applied, floor_of, from_below
from brodmann.runner.target import Target
from brodmann.store.tables import write_table
from brodmann.store.work import OnStep, Records, Work
from brodmann.tasks.catalogue import domain_of

if TYPE_CHECKING:
    from brodmann.runner.repeated import Features

COLUMNS = (
    *("dataset", "condition", "control_of", "seed", "how", "amount", "n_units", "label", "task"),
    *("n", "folds", "accuracy", "sd", "chance", "intact"),
)
# What is read off the features: which of an item's answers is right, and a prompt's domain.
ANSWER, DOMAIN = "answer", "domain"


class Probing:
    """The works of this part. Features are stored; the folds and the reader need no model."""

    def __init__(self, stage: UseStage, item_files: Sequence[str]) -> None:
        self.stage = stage
        self.settings = stage.use.probing
        self.targets = stage.targets(item_files, self.settings.items, "probing")
        self._kept: dict[tuple[tuple[str, ...], Bench], Features] = {}

    def edits(self, conditions: Sequence[Condition]) -> list[Edit]:
        """Intact, and every edit of sets of networks and of what they are compared with."""

        def wanted(name: str) -> bool:
            return name in (sets.ALL, sets.TOP) or name.startswith(sets.LOCALIZER)

        chosen = [
            one
            for one in conditions
            if wanted(one.name) or (one.name == sets.RANDOM and wanted(one.control_of))
        ]
        return edits_of(self.stage, chosen)

    def key(self, edit: Edit, task: str) -> str:
        """Hash of everything that the features of one task depend on."""
        shown = self.targets[task].inputs
        return self.stage.key("probing", **shown, **self.stage.edit_inputs(edit))

    def works(self, conditions: Sequence[Condition]) -> list[Work[Bench]]:
        """Every edit on all tasks, a record each."""
        return [self._work(edit) for edit in from_below(self.edits(conditions))]

    def _work(self, edit: Edit) -> Work[Bench]:
        tasks = {features_name(edit, task): task for task in self.targets}

        def compute(bench: Bench, names: Sequence[str], _: OnStep) -> Iterator[dict[str, bytes]]:
            from safetensors.numpy import save

            prompts = self._prompts_of(bench, tuple(tasks[name] for name in names))
            site = self.stage.settings.site
            with applied(bench, edit, site):
                found = prompts.last(floor_of(bench, edit, site))
            ends = np.cumsum([2 * len(self.targets[tasks[name]].used) for name in names])
            parts = np.split(found, ends[:-1])
            yield {
                name: save({"features": np.ascontiguousarray(own)})
                for name, own in zip(names, parts, strict=True)
            }

        keys = {name: self.key(edit, task) for name, task in tasks.items()}
        read = sum(target.characters.all for target in self.targets.values())
        cost = read // max(1, len(keys))
        return Work(f"features: {edit.label}", keys, compute, cost=cost)

    def _prompts_of(self, bench: Bench, tasks: tuple[str, ...]) -> Features:
        """Both prompts of every item; made once for edits that the store lacks the same tasks of."""
        from brodmann.runner.repeated import Features

        if (tasks, bench) not in self._kept:
            items = [item for task in tasks for item in bench.encoded(self.targets[task])]
            rows = [prompt for item in items for prompt in (item.clean, item.corrupted)]
            self._kept.clear()
            self._kept[tasks, bench] = Features(bench.engine, rows)
        return self._kept[tasks, bench]


def features_name(edit: Edit, task: str) -> str:
    """What the manifest calls the features of one task."""
    return f"features of {task}: {edit.label}"


def answer_labels(target: Target) -> np.ndarray:
    """0 or 1 per prompt [2 * items], clean and corrupted in turn: which answer, by the alphabet, is right.

    A single-answer item's prompts are told apart as clean (0) and corrupted (1).
    """
    wording = target.items.wordings[target.plan.wording]
    labels = []
    for number in target.used:
        item = wording[number]
        clean = int(item.incorrect is not None and item.correct > item.incorrect)
        labels += [clean, 1 - clean]
    return np.array(labels)


def groups_of(target: Target) -> list[str]:
    """What each prompt shares its words with: its item's group."""
    own = target.items.groups
    names = [own[number] if own else str(number) for number in target.used]
    return [f"{target.items.task} {name}" for name in names for _ in range(2)]


def write_probing(
    stage: UseStage,
    *,
    editing_item_files: Sequence[str],
    item_files: Sequence[str],
    manifest: str,
    output: str,
) -> None:
    """Of rule ``network_use``: the accuracy of every reader, intact and edited."""
    probing = Probing(stage, item_files)
    rows: list[dict[str, Any]] = []
    if probing.targets:
        records = stored(manifest)
        conditions = Editing(stage, editing_item_files).conditions(records)
        intact: dict[tuple[str, str], float] = {}
        for edit in probing.edits(conditions):
            features = {task: _stored(records, edit, task) for task in probing.targets}
            for row in _readings(probing, features):
                at = (row["label"], row["task"])
                intact.setdefault(at, row["accuracy"])
                rows.append({**edit.cells, **row, "intact": intact[at]})
    write_table(output, rows, COLUMNS)


def _stored(records: Records, edit: Edit, task: str) -> np.ndarray:
    from safetensors.numpy import load

    return load(records.get(features_name(edit, task), f"features of {task}"))["features"]


def _readings(probing: Probing, features: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    found = [
        _read(probing, own, answer_labels(target), groups_of(target), label=ANSWER, task=task)
        for (task, own), target in zip(features.items(), probing.targets.values(), strict=True)
    ]
    domains = [domain_of(task) for task, own in features.items() for _ in range(len(own))]
    if len(set(domains)) > 1:
        whole = np.concatenate(list(features.values()))
        groups = [name for target in probing.targets.values() for name in groups_of(target)]
        found.append(_read(probing, whole, np.array(domains), groups, label=DOMAIN, task=""))
    return found


def _read(
    probing: Probing,
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    **keys: str,
) -> dict[str, Any]:
    from brodmann.networks.probing import probe

    settings = probing.settings
    found = probe(features, labels, np.array(groups), folds=settings.folds, seed=settings.seed)
    folds = len(found.accuracies)
    sd = float(np.std(found.accuracies, ddof=1)) if folds > 1 else float("nan")
    scores = {"accuracy": found.accuracy, "sd": sd, "chance": found.chance}
    return {**keys, "n": found.n, "folds": folds, **scores}
