"""Probing: what a linear reader finds in a model's last features, intact and with networks edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brodmann.networks import conditions as sets
from brodmann.networks.conditions import Condition
from brodmann.networks.stages.editing import Line
from brodmann.networks.stages.use import Bench, Target, UseStage, Work, store_of, units_digest
from brodmann.store.tables import write_table
from brodmann.tasks.catalogue import domain_of

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
        found = [stage.target(path, self.settings.items, "probing") for path in item_files]
        self.targets = {target.items.task: target for target in found}

    def lines(self, conditions: Sequence[Condition]) -> list[Line]:
        """Intact, and every edit of sets of networks and of what they are compared with."""
        wanted = (sets.ALL, sets.TOP)
        chosen = [
            one
            for one in conditions
            if one.name in wanted
            or one.name.startswith(sets.LOCALIZER)
            or one.control_of in wanted
            or one.control_of.startswith(sets.LOCALIZER)
        ]
        edits = self.stage.use.editing.edits
        return [Line(None), *[Line(own, how, amount) for own in chosen for how, amount in edits]]

    def key(self, line: Line, task: str) -> str:
        """Hash of everything that the features of one task depend on."""
        more: dict[str, Any] = {}
        if line.edits:
            assert line.condition is not None
            more = {
                "site": self.stage.settings.site,
                "how": line.how,
                "amount": line.amount,
                "units": units_digest(line.condition.units),
            }
        return self.stage.key("probing", **self.targets[task].digest(), **more)

    def works(self, conditions: Sequence[Condition]) -> list[Work]:
        """Every line on every task."""
        return [
            Work(
                self.key(line, task),
                f"features {line.how or 'intact'} {task}",
                lambda bench, line=line, task=task: self._features(bench, line, task),
            )
            for line in self.lines(conditions)
            for task in self.targets
        ]

    def _features(self, bench: Bench, line: Line, task: str) -> bytes:
        from contextlib import nullcontext

        from safetensors.numpy import save

        from brodmann.runner.edits import edited
        from brodmann.runner.features import last_features

        items = bench.encoded(self.targets[task])
        rows = [prompt for item in items for prompt in (item.clean, item.corrupted)]
        context: Any = nullcontext()
        if line.edits:
            assert line.condition is not None
            pairs = self.stage.pairs(line.condition.units)
            site = self.stage.settings.site
            context = edited(bench.model, pairs, line.how, line.amount, site=site)
        with context:
            return save({"features": last_features(bench.model, rows, bench.scorer.batch_tokens)})


def answer_labels(target: Target) -> np.ndarray:
    """0 or 1 for each prompt, clean and corrupted in turn: which answer, by the alphabet, is right.

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
    """Rule ``probing``: the accuracy of every reader, intact and edited."""
    from brodmann.networks.stages.editing import Editing

    probing = Probing(stage, item_files)
    rows: list[dict[str, Any]] = []
    if probing.targets:
        store = store_of(manifest)
        editing = Editing(stage, editing_item_files)
        intact: dict[tuple[str, str], float] = {}
        for line in probing.lines(editing.conditions(store, manifest)):
            features = {
                task: _stored(probing, store, line, task, manifest) for task in probing.targets
            }
            for row in _readings(probing, features):
                at = (row["label"], row["task"])
                intact.setdefault(at, row["accuracy"])
                rows.append({**_named(line), **row, "intact": intact[at]})
    write_table(output, rows, COLUMNS)


def _stored(probing: Probing, store: Any, line: Line, task: str, manifest: str) -> np.ndarray:
    from safetensors.numpy import load

    record = store.require(probing.key(line, task), f"features of {task}", manifest)
    return load(record)["features"]


def _readings(probing: Probing, features: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    found = [
        _read(probing, own, answer_labels(target), groups_of(target), ANSWER, task)
        for (task, own), target in zip(features.items(), probing.targets.values(), strict=True)
    ]
    domains = [domain_of(task) for task, own in features.items() for _ in range(len(own))]
    if len(set(domains)) > 1:
        whole = np.concatenate(list(features.values()))
        groups = [name for target in probing.targets.values() for name in groups_of(target)]
        found.append(_read(probing, whole, np.array(domains), groups, DOMAIN, ""))
    return found


def _read(
    probing: Probing,
    features: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    label: str,
    task: str,
) -> dict[str, Any]:
    from brodmann.networks.probing import probe

    settings = probing.settings
    found = probe(features, labels, np.array(groups), folds=settings.folds, seed=settings.seed)
    several = len(found.accuracies) > 1
    return {
        "label": label,
        "task": task,
        "n": found.n,
        "folds": len(found.accuracies),
        "accuracy": found.accuracy,
        "sd": float(np.std(found.accuracies, ddof=1)) if several else float("nan"),
        "chance": found.chance,
    }


def _named(line: Line) -> dict[str, Any]:
    one = line.condition
    if one is None:
        return {"condition": "intact", "n_units": 0}
    return {
        "dataset": one.dataset,
        "condition": one.name,
        "control_of": one.control_of,
        "seed": "" if one.seed is None else one.seed,
        "how": line.how,
        "amount": "" if line.amount is None else line.amount,
        "n_units": len(one),
    }
