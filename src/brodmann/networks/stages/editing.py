"""Editing: what inhibiting and amplifying networks does to text and tasks, beside random units."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from brodmann.config.massive import MASSIVE, SEPARATE
from brodmann.networks import conditions as sets
from brodmann.networks.conditions import Condition
from brodmann.networks.metrics import Choices, choices, scores, single_choices
from brodmann.networks.stages.use import UseStage, stored
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import (
    ACTIVATION_MATCHED,
    CORPUS,
    MATCHED,
    Edit,
    Experiment,
    corpus_rows,
    p_values,
    records_of,
    rows_of,
    with_every_q,
)
from brodmann.runner.matched import levels_of
from brodmann.runner.target import Target
from brodmann.significance import effects
from brodmann.store.tables import write_table
from brodmann.store.work import Reads, Records, Work

COLUMNS = (
    *("dataset", "condition", "control_of", "seed", "how", "amount", "n_units", "share"),
    *("metric", "task", "n", "value", "low", "high", "intact", "p", "q", "p_random", "q_random"),
)
SET_COLUMNS = ("dataset", "condition", "n_units", "share", "other", "n_other", "iou", "chance_iou")


# What the manifest calls the mean absolute activations that controls are matched in.
ACTIVATIONS = "activations over the corpus of edits"

INTACT = Edit("intact", {"condition": "intact", "n_units": 0, "share": 0.0})


def edit_of(condition: Condition, how: str, amount: float | None, n_units: int) -> Edit:
    """One edit of one condition's units, of ``n_units`` units of the model."""
    kept = condition.control_of if condition.seed is not None else condition.name
    own, matched = (condition.dataset, kept, how, amount), condition.name == ACTIVATION_MATCHED
    return Edit(
        f"{condition.dataset} {label_of(condition)}, {how} {'' if amount is None else amount!r}",
        {
            "dataset": condition.dataset,
            "condition": condition.name,
            "control_of": condition.control_of,
            "seed": "" if condition.seed is None else condition.seed,
            "how": how,
            "amount": "" if amount is None else amount,
            "n_units": len(condition),
            "share": len(condition) / n_units,
        },
        condition.units,
        how,
        amount,
        group=(*own, condition.name) if matched else own,
        control=condition.seed is not None,
        active=None if condition.name == sets.RANDOM else own,
        of=condition,
    )


def edits_of(stage: UseStage, conditions: Sequence[Condition]) -> list[Edit]:
    """Intact first, then every edit of every condition."""
    each = product(conditions, stage.use.editing.edits)
    return [INTACT, *[edit_of(own, how, amount, len(stage.there)) for own, (how, amount) in each]]


class Editing:
    """The works of this part, and the tables made of them."""

    def __init__(self, stage: UseStage, item_files: Sequence[str]) -> None:
        from brodmann.stimuli.texts import read_passages

        self.stage = stage
        self.settings = stage.use.editing
        assert self.settings.corpus is not None, "found when the config was resolved"
        self.passages = read_passages(self.settings.corpus)[: self.settings.passages]
        self.targets = stage.targets(item_files, self.settings.items, "editing")
        self.experiment = Experiment(
            stage.settings.site,
            self.passages,
            self.targets,
            key=self.key,
            record=lambda rows: {"log_probs": rows},
            under="edited,",
            fix="lower networks.editing.amounts, or try dtype: float32",
            both_prompts=True,
        )

    # What must be there before conditions can be named

    def first_works(self) -> list[Work[Bench]]:
        """The localizer that the best units are compared with, and how active units are."""
        return [*self.localizer_works(), *self._activation_works()]

    def _activation_works(self) -> list[Work[Bench]]:
        """What random controls are matched in, where a study has such controls."""
        if not self.settings.activation_matched_seeds:
            return []
        key = self.stage.key(
            "activations", corpus=self.passages, site=self.stage.settings.site, truncate=None
        )
        cost = sum(map(len, self.passages))
        return [Work.one(ACTIVATIONS, key, self._mean_absolute, cost=cost)]

    def _mean_absolute(self, bench: Bench) -> bytes:
        from safetensors.numpy import save

        rows = bench.texts(self.passages, where="networks.editing.corpus")
        found = bench.activations(self.stage.settings.site).means(rows, absolute=True)
        return save(
            {"activations": found}, {"facts": json.dumps({"computed_with": bench.made_with})}
        )

    def activations(self, records: Reads) -> np.ndarray:
        """float64 [layers, units]: of each unit's absolute activation the mean over a passage's tokens, then
        over passages."""
        from safetensors.numpy import load

        return load(records.get(ACTIVATIONS, f"the stored {ACTIVATIONS}"))["activations"]

    @property
    def localizer_key(self) -> str:
        """Hash of everything that its selectivity depends on."""
        network = self.settings.localizer
        assert network is not None
        localizer = self.stage.study.localizer
        return self.stage.key(
            "localizer",
            texts=self.stage.localizing.contrast_of(self.stage.study, network).sha256,
            **{**localizer.stimulation(network), "site": self.stage.settings.site},
        )

    @property
    def localizer_name(self) -> str:
        """What the manifest calls it, and messages, too."""
        return f"the {self.settings.localizer} localizer"

    def localizer_works(self) -> list[Work[Bench]]:
        """Its selectivity, where a study has one."""
        if self.settings.localizer is None:
            return []
        return [Work.one(self.localizer_name, self.localizer_key, self._localize)]

    def _localize(self, bench: Bench) -> bytes:
        from safetensors.numpy import save

        network, study = self.settings.localizer, self.stage.study
        assert network is not None
        localizing, wanted = self.stage.localizing, study.localizer.stimulation(network)
        contrast = localizing.contrast_of(study, network)
        rows = [
            bench.texts(texts, truncate=wanted["truncate"], where=network)
            for texts in (contrast.positive, contrast.negative)
        ]
        activations = bench.activations(self.stage.settings.site)
        return save({"t": localizing.measure(activations, *rows, wanted["pooling"]).t})

    # Conditions and their edits

    def conditions(self, records: Reads) -> list[Condition]:
        """Every set of units, each followed by its random controls.

        Massive activations that are left out are in none of them, unless they are a set of their own.
        """
        own, stage = self.settings, self.stage
        found = sets.network_conditions(stage.networks, single=own.networks)
        tops = [
            sets.top_condition(dataset, networks, own.top_percent, len(stage.there.absent))
            for dataset, networks in stage.networks.items()
        ]
        localized = self._localized(records)
        apart = stage.settings.massive == SEPARATE and stage.massive
        alone = [Condition("", MASSIVE, np.sort(stage.massive))] if apart else []
        drawn, matched = (stage.there, own.seeds, stage.massive), own.activation_matched_seeds
        levels = levels_of(self.activations(records)) if matched else None
        every = []
        for condition in [*found, *tops, *localized, *alone]:
            every += [condition, *sets.random_like(condition, *drawn)]
            if levels is not None:
                every += sets.as_active(condition, levels, matched, stage.undrawn)
        return [*every, *sets.random_share(own.random_percent, *drawn)]

    def _localized(self, records: Reads) -> list[Condition]:
        from safetensors.numpy import load

        own = self.settings
        if own.localizer is None:
            return []
        t = load(records.get(self.localizer_name, self.localizer_name))["t"].reshape(-1)
        ranked = t.copy()
        ranked[self.stage.massive] = -np.inf
        there = t.size - len(self.stage.there.absent)
        units = sets.best(ranked, sets.count_of(own.top_percent, there))
        return [Condition("", f"{sets.LOCALIZER}:{own.localizer}", units)]

    def edits(self, conditions: Sequence[Condition]) -> list[Edit]:
        """See ``edits_of``."""
        return edits_of(self.stage, conditions)

    def key(self, edit: Edit, task: str) -> str:
        """Hash of everything that one edit on one measure depends on."""
        shown = {"corpus": self.passages} if task == CORPUS else self.targets[task].inputs
        return self.stage.key("editing", **shown, **self.stage.edit_inputs(edit))

    def works(self, conditions: Sequence[Condition]) -> list[Work[Bench]]:
        """Every edit on every measure."""
        return self.experiment.works(self.edits(conditions))

    # Tables

    def records(self, records: Records, edits: Sequence[Edit], task: str) -> list[dict[str, Any]]:
        """Each edit's record on one measure."""
        return records_of(records, edits, task, "a stored edit")

    def choices(self, target: Target, record: Mapping[str, Any]) -> Choices:
        """What was chosen, of the items that could be asked."""
        rows = record["log_probs"]
        wording = target.items.wordings[target.plan.wording]
        asked = [n for n, row in enumerate(rows) if row is not None]
        values = [rows[n] for n in asked]
        if target.items.single_answer:
            return single_choices(values)
        pairs = [wording[target.used[n]] for n in asked]
        return choices(
            values, [one.incorrect is not None and one.correct < one.incorrect for one in pairs]
        )

    def units(self, target: Target, record: Mapping[str, Any]) -> list[str]:
        """Of the items that could be asked, the independent unit of each."""
        pairs = zip(target.groups, record["log_probs"], strict=True)
        return [unit for unit, row in pairs if row is not None]


def write_editing(
    stage: UseStage, *, item_files: Sequence[str], manifest: str, output: str, sets_output: str
) -> None:
    """Of rule ``network_use``: every edit on the corpus and on every task; and which units the sets share."""
    editing, records = Editing(stage, item_files), stored(manifest)
    conditions, seed = editing.conditions(records), stage.settings.seed
    edits = editing.edits(conditions)
    more: tuple[str, ...] = ()
    if editing.settings.activation_matched_seeds:
        edits, more = _with_activity(edits, editing.activations(records)), MATCHED
    rows: list[dict[str, Any]] = []
    for task in editing.experiment.measures:
        found = editing.records(records, edits, task)
        if task == CORPUS:
            rows += corpus_rows(edits, found, seed)
        else:
            target = editing.targets[task]
            made = [editing.choices(target, record) for record in found]
            rows += _task_rows(edits, task, made, editing.units(target, found[0]), seed)
    rows = [{**row, "metric": row["measure"]} for row in with_every_q(rows)]
    write_table(output, rows, (*COLUMNS, *more))
    write_table(sets_output, set_rows(conditions, len(stage.there)), SET_COLUMNS)


def _with_activity(edits: Sequence[Edit], activations: np.ndarray) -> list[Edit]:
    """The same edits, whose cells say the mean absolute activation of their units."""
    flat = activations.reshape(-1)
    return [
        replace(edit, cells={**edit.cells, "activation": float(flat[edit.units].mean())})
        if edit.edits
        else edit
        for edit in edits
    ]


def set_rows(conditions: Sequence[Condition], n_units: int) -> list[dict[str, Any]]:
    """IoU of the best units, the localizer's and random ones, and of all networks' units, beside chance."""
    from itertools import combinations

    chosen = [
        one
        for one in conditions
        if one.name in (sets.ALL, sets.TOP)
        or one.name.startswith(sets.LOCALIZER)
        or (one.name == sets.RANDOM and (one.control_of == sets.TOP or not one.dataset))
    ]
    return [
        {
            "dataset": one.dataset,
            "condition": label_of(one),
            "n_units": len(one),
            "share": len(one) / n_units,
            "other": f"{other.dataset} {label_of(other)}".strip(),
            "n_other": len(other),
            "iou": sets.iou(one.units, other.units),
            "chance_iou": sets.chance_iou(len(one), len(other), n_units),
        }
        for one, other in combinations(chosen, 2)
    ]


def label_of(one: Condition) -> str:
    """What a condition is called beside its dataset."""
    if one.seed is None:
        return one.name
    return f"{one.name} like {one.control_of}, seed {one.seed}"


def _task_rows(
    edits: Sequence[Edit], task: str, made: Sequence[Choices], units: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """``units``: of each item its independent unit. The choices of an item are no two items, either."""
    values = [scores(own, units, seed) for own in made]
    right = [own.right.reshape(-1).astype(float) for own in made]
    metrics = {metric: [own[metric] for own in values] for metric in values[0]}
    of_choices = np.repeat(units, made[0].right.shape[1]).tolist()
    test = partial(effects.sign_test, units=of_choices)
    # Accuracy is the first metric, and it is tested.
    return rows_of(edits, task, metrics, p_values(edits, right, test))
