"""Editing: what inhibiting and amplifying networks does to text and tasks, beside random units."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from brodmann.errors import UserError
from brodmann.files import canonical_json
from brodmann.networks import conditions as sets
from brodmann.networks.conditions import Condition
from brodmann.networks.metrics import Choices, choices, scores, single_choices
from brodmann.networks.stages.use import Bench, Target, UseStage, Work, store_of, units_digest
from brodmann.significance import effects
from brodmann.significance.fdr import with_q
from brodmann.store.store import Store
from brodmann.store.tables import write_table

COLUMNS = (
    *("dataset", "condition", "control_of", "seed", "how", "amount", "n_units", "share"),
    *("metric", "task", "n", "value", "low", "high", "intact", "p", "q", "p_random", "q_random"),
)
SET_COLUMNS = ("dataset", "condition", "n_units", "share", "other", "n_other", "iou", "chance_iou")
CORPUS = ""  # in place of a task


@dataclass(frozen=True)
class Line:
    """One edit of one condition's units; no condition: the intact model."""

    condition: Condition | None
    how: str = ""
    amount: float | None = None

    @property
    def edits(self) -> bool:
        """Whether any unit is changed."""
        return self.condition is not None and len(self.condition) > 0


class Editing:
    """The works of this part, and the tables made of them."""

    def __init__(self, stage: UseStage, item_files: Sequence[str]) -> None:
        from brodmann.runner.perplexity import read_passages

        self.stage = stage
        self.settings = stage.use.editing
        self.passages = read_passages(self.settings.corpus)[: self.settings.passages]
        found = [stage.target(path, self.settings.items, "editing") for path in item_files]
        self.targets = {target.items.task: target for target in found}

    # The localizer that the best units are compared with

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

    def localizer_works(self) -> list[Work]:
        """The one that must be there before conditions can be named."""
        if self.settings.localizer is None:
            return []
        return [
            Work(self.localizer_key, f"the {self.settings.localizer} localizer", self._localize)
        ]

    def _localize(self, bench: Bench) -> bytes:
        from safetensors.numpy import save

        from brodmann.runner.activations import Activations
        from brodmann.runner.texts import encode_texts

        network, study = self.settings.localizer, self.stage.study
        localizing = self.stage.localizing
        wanted, contrast = (
            study.localizer.stimulation(network),
            localizing.contrast_of(study, network),
        )
        rows = [
            encode_texts(bench.model.tokenizer, texts, truncate=wanted["truncate"], where=network)
            for texts in (contrast.positive, contrast.negative)
        ]
        activations = Activations(
            bench.model, site=self.stage.settings.site, batch_tokens=bench.scorer.batch_tokens
        )
        return save({"t": localizing.measure(activations, *rows, wanted["pooling"]).t})

    # Conditions and lines

    def conditions(self, store: Store, manifest: str) -> list[Condition]:
        """Every set of units, each followed by its random controls."""
        own, stage = self.settings, self.stage
        found = sets.network_conditions(stage.networks, single=own.networks)
        tops = [
            sets.top_condition(dataset, networks, own.top_percent)
            for dataset, networks in stage.networks.items()
        ]
        localized = self._localized(store, manifest)
        every = []
        for condition in [*found, *tops, *localized]:
            every += [condition, *sets.random_like(condition, stage.n_units, own.seeds)]
        return [*every, *sets.random_share(own.random_percent, stage.n_units, own.seeds)]

    def _localized(self, store: Store, manifest: str) -> list[Condition]:
        from safetensors.numpy import load

        own = self.settings
        if own.localizer is None:
            return []
        record = store.require(self.localizer_key, f"the {own.localizer} localizer", manifest)
        t = load(record)["t"].reshape(-1)
        units = sets.best(t, sets.count_of(own.top_percent, t.size))
        return [Condition("", f"{sets.LOCALIZER}:{own.localizer}", units)]

    def lines(self, conditions: Sequence[Condition]) -> list[Line]:
        """Intact first, then every edit of every condition."""
        edits = product(conditions, self.settings.edits)
        return [Line(None), *[Line(own, how, amount) for own, (how, amount) in edits]]

    # Works

    def key(self, line: Line, task: str) -> str:
        """Hash of everything that one line on one measure depends on."""
        more: dict[str, Any] = {}
        if line.edits:
            assert line.condition is not None
            more = {
                "site": self.stage.settings.site,
                "how": line.how,
                "amount": line.amount,
                "units": units_digest(line.condition.units),
            }
        if task == CORPUS:
            return self.stage.key("editing", corpus=self.passages, **more)
        return self.stage.key("editing", **self.targets[task].digest(), **more)

    def works(self, conditions: Sequence[Condition]) -> list[Work]:
        """Every line on every measure."""
        return [
            Work(
                self.key(line, task),
                f"{line.how or 'intact'} {task or 'corpus'}",
                lambda bench, line=line, task=task: self._measured(bench, line, task),
            )
            for line in self.lines(conditions)
            for task in (CORPUS, *self.targets)
        ]

    def _measured(self, bench: Bench, line: Line, task: str) -> bytes:
        from contextlib import nullcontext

        from brodmann.runner.edits import edited

        context: Any = nullcontext()
        if line.edits:
            assert line.condition is not None
            pairs = self.stage.pairs(line.condition.units)
            site = self.stage.settings.site
            context = edited(bench.model, pairs, line.how, line.amount, site=site)
        with context:
            found = self._task(bench, task) if task else self._corpus(bench)
        return canonical_json({**found, "computed_with": bench.made_with})

    def _corpus(self, bench: Bench) -> dict[str, Any]:
        from brodmann.runner.perplexity import score_passages

        found = score_passages(bench.scorer, bench.model.tokenizer, self.passages)
        _finite(bench, found.log_probs, "the corpus, passage")
        return asdict(found)

    def _task(self, bench: Bench, task: str) -> dict[str, Any]:
        """Per used item its log-probabilities (``networks.metrics``); None if it cannot be said."""
        from brodmann.runner.answers import queries_of

        items = bench.encoded(self.targets[task])
        asked = [n for n, item in enumerate(items) if item.incorrect is not None or item.aligned]
        each = [
            queries_of(items[n])[2:] if items[n].incorrect is None else queries_of(items[n])
            for n in asked
        ]
        values = bench.scorer.log_probabilities([query for own in each for query in own])
        _finite(bench, values, f"{task}, answer")
        rows: list[list[float] | None] = [None] * len(items)
        start = 0
        for n, own in zip(asked, each, strict=True):
            rows[n] = values[start : start + len(own)]
            start += len(own)
        return {"log_probs": rows}

    # Tables

    def records(self, lines: Sequence[Line], task: str, manifest: str) -> dict[int, dict[str, Any]]:
        """Number of the line -> its record on one measure."""
        store = store_of(manifest)
        return {
            number: json.loads(store.require(self.key(line, task), "a stored edit", manifest))
            for number, line in enumerate(lines)
        }

    def choices(self, target: Target, record: Mapping[str, Any]) -> Choices:
        """What was chosen, of the items that could be asked."""
        rows = record["log_probs"]
        wording = target.items.wordings[target.plan.wording]
        asked = [n for n, row in enumerate(rows) if row is not None]
        values = [rows[n] for n in asked]
        if target.items.single_answer:
            return single_choices(values)
        pairs = [wording[target.used[n]] for n in asked]
        return choices(values, [item.correct < item.incorrect for item in pairs])


def _finite(bench: Bench, values: Sequence[float], what: str) -> None:
    for number, value in enumerate(values, 1):
        if not math.isfinite(value):
            raise UserError.at(
                f"{what} {number}",
                f"edited, {bench.model.name} gives a log-probability of {value}",
                "lower networks.editing.amounts, or try dtype: float32",
            )


def write_editing(
    stage: UseStage, *, item_files: Sequence[str], manifest: str, output: str, sets_output: str
) -> None:
    """Rule ``editing``: every edit on the corpus and on every task; and which units the sets share."""
    editing = Editing(stage, item_files)
    conditions = editing.conditions(store_of(manifest), manifest)
    lines = editing.lines(conditions)
    rows: list[dict[str, Any]] = []
    for task in (CORPUS, *editing.targets):
        found = editing.records(lines, task, manifest)
        rows += (
            _task_rows(editing, lines, task, found) if task else _corpus_rows(editing, lines, found)
        )
    rows = with_q(with_q(rows), p="p_random", q="q_random")
    write_table(output, rows, COLUMNS)
    write_table(sets_output, set_rows(conditions, stage.n_units), SET_COLUMNS)


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
            "condition": _label(one),
            "n_units": len(one),
            "share": len(one) / n_units,
            "other": f"{other.dataset} {_label(other)}".strip(),
            "n_other": len(other),
            "iou": sets.iou(one.units, other.units),
            "chance_iou": sets.chance_iou(len(one), len(other), n_units),
        }
        for one, other in combinations(chosen, 2)
    ]


def _label(one: Condition) -> str:
    if one.seed is None:
        return one.name
    return f"{one.name} like {one.control_of}, seed {one.seed}"


def _corpus_rows(
    editing: Editing, lines: Sequence[Line], found: Mapping[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    surprise = {
        number: -np.array(record["log_probs"]) / np.array(record["tokens"])
        for number, record in found.items()
    }
    tests = _tests(lines, surprise, effects.rank_test)
    rows = []
    for metric, count in (("perplexity", "tokens"), ("word_perplexity", "words")):
        values = {
            number: effects.perplexity(
                record["log_probs"], record[count], editing.stage.settings.seed
            )
            for number, record in found.items()
        }
        # One test per edit: per word it is the same question again.
        own = tests if metric == "perplexity" else {}
        rows += _rows(editing, lines, metric, CORPUS, values, own)
    return rows


def _task_rows(
    editing: Editing, lines: Sequence[Line], task: str, found: Mapping[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    target = editing.targets[task]
    made = {number: editing.choices(target, record) for number, record in found.items()}
    values = {n: scores(own, editing.stage.settings.seed) for n, own in made.items()}
    right = {number: own.right.reshape(-1).astype(float) for number, own in made.items()}
    tests = _tests(lines, right, effects.sign_test)
    return [
        row
        for metric in values[0]
        for row in _rows(
            editing,
            lines,
            metric,
            task,
            {number: own[metric] for number, own in values.items()},
            tests if metric == "accuracy" else {},
        )
    ]


def _tests(
    lines: Sequence[Line], values: Mapping[int, np.ndarray], test: Any
) -> dict[int, dict[str, float]]:
    """p against the intact model and, of all but random units, against their random controls."""
    controls: dict[tuple[Any, ...], list[np.ndarray]] = {}
    for number, line in enumerate(lines):
        one = line.condition
        if one is not None and one.seed is not None:
            key = (one.dataset, one.control_of, line.how, line.amount)
            controls.setdefault(key, []).append(values[number])
    found: dict[int, dict[str, float]] = {}
    for number, line in enumerate(lines):
        one = line.condition
        if one is None:
            continue
        found[number] = {"p": test(values[number], [values[0]])}
        key = (one.dataset, one.name, line.how, line.amount)
        if one.seed is None and key in controls:
            found[number]["p_random"] = test(values[number], controls[key])
    return found


def _rows(
    editing: Editing,
    lines: Sequence[Line],
    metric: str,
    task: str,
    values: Mapping[int, effects.Value],
    tests: Mapping[int, Mapping[str, float]],
) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(lines):
        one = line.condition
        named = {"condition": "intact", "n_units": 0, "share": 0.0}
        if one is not None:
            named = {
                "dataset": one.dataset,
                "condition": one.name,
                "control_of": one.control_of,
                "seed": "" if one.seed is None else one.seed,
                "how": line.how,
                "amount": "" if line.amount is None else line.amount,
                "n_units": len(one),
                "share": len(one) / editing.stage.n_units,
            }
        rows.append(
            {
                **named,
                "metric": metric,
                "task": task,
                **asdict(values[number]),
                "intact": values[0].value,
                **tests.get(number, {}),
            }
        )
    return rows
