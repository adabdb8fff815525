"""Faithfulness stage: one pass per model that silences everything but circuits of growing size, a light job
that makes curves and areas of it.

A *row of work* is one set of units that is kept, on one task, in one way of silencing the others. Orders that
begin with the same units are measured once, and so is the intact model, which is every order's end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.circuits import orders
from brodmann.circuits.faithfulness import Answers, Curve
from brodmann.circuits.inclusion import Baseline
from brodmann.circuits.orders import Beginning
from brodmann.circuits.replicates import bootstrap_weights
from brodmann.circuits.stages.attribution import ItemList, Stage
from brodmann.circuits.stages.effects import EffectTarget, lesion_work, metric_of, metrics
from brodmann.circuits.stages.files import TaskFiles
from brodmann.config.faithfulness import ALL, FaithfulnessSettings
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.store.shares import WHOLE, Share
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Pass, Records, Work
from brodmann.tasks.catalogue import domain_of, sort_key
from brodmann.tasks.dice import Dice

OWN, RANDOM, LAYER_MATCHED = "own", "random", "layer_matched"
_LINE = ("task", "order", "trial", "sign", "kind")
COLUMNS = (*_LINE, "fraction", "n_units", "n", "faithfulness", "low", "high")
AREAS = (
    *(*_LINE, "n", "cpr", "cpr_low", "cpr_high", "cmd", "cmd_low", "cmd_high"),
    *("floor", "enough_percent", "enough_units"),
)


@dataclass(frozen=True)
class Order:
    """All units in one order, and what it is: ``own``, ``random``, ``layer_matched``, or the task that it is
    of. ``sign`` is empty where the order has none. ``there``: the units that exist."""

    name: str
    trial: int
    sign: str
    units: np.ndarray
    there: Population

    def beginnings(self, percents: Iterable[float]) -> list[Beginning]:
        """Its circuits of these sizes."""
        own = self.units
        sizes = [orders.size(percent, len(own)) for percent in percents]
        return [Beginning.of(own, size, self.there) for size in sizes]


@dataclass
class FaithfulnessStage:
    """What the jobs of this stage share. ``attributions``: the folder results/{model}/attribution."""

    study: Study
    stage: Stage
    attributions: Path
    targets: dict[str, EffectTarget | None] = field(default_factory=dict)
    baselines: dict[str, Baseline] = field(default_factory=dict)
    # Items that circuits are found on, of included tasks.
    lists: dict[str, ItemList] = field(default_factory=dict)
    _ranked: dict[tuple[str, str, str], np.ndarray | None] = field(default_factory=dict)

    @classmethod
    def open(cls, study: Study, files: TaskFiles) -> FaithfulnessStage:
        """Read the items and baselines of tasks."""
        own = cls(study, Stage(study, files.model_json), Path(files.attributions))
        for items, found in files:
            own.targets[items.task] = EffectTarget.of(own.stage, items, found, study.faithfulness)
            own.baselines[items.task] = found
            if (listed := own.stage.list_of(items, found)) is not None:
                own.lists[items.task] = listed
        return own

    @property
    def settings(self) -> FaithfulnessSettings:
        """Of the study."""
        return self.study.faithfulness

    @property
    def included(self) -> Iterator[tuple[str, EffectTarget]]:
        """The tasks that have circuits, with what these are tested on."""
        return ((task, own) for task, own in self.targets.items() if own is not None)

    def ranked(self, component: str, task: str, sign: str) -> np.ndarray | None:
        """A task's own order; None for an excluded task."""
        at = component, task, sign
        if at not in self._ranked:
            file = self.attributions / component / f"{task}.safetensors"
            values = read_tensor(file, "attribution")
            try:
                there = self.stage.population(component)
                self._ranked[at] = orders.ranked(values, sign, there) if values.size else None
            except ValueError:
                fix = "delete the file: it is computed anew"
                raise UserError.at(str(file), "the attribution holds NaN", fix) from None
        return self._ranked[at]

    def lenders(self, component: str, task: str) -> list[str]:
        """The other tasks whose orders are tried on a task: of its domain, then of others."""
        found: list[str] = []
        for same in (True, False):
            count = self.settings.same_domain if same else self.settings.other_domains
            others = [
                other
                for other in self.study.tasks.selected
                if other != task and (domain_of(other) == domain_of(task)) is same
            ]
            drawn = Dice("orders", self.settings.seed, task, same).shuffled(others)
            sign = self.settings.signs[0]
            there = (one for one in drawn if self.ranked(component, one, sign) is not None)
            found += sorted(islice(there, None if count == ALL else int(count)), key=sort_key)
        return found

    def orders(self, component: str, task: str) -> Iterator[Order]:
        """All orders that are tried on a task."""
        settings, model = self.settings, self.stage.card.name
        there = self.stage.population(component)
        lenders = self.lenders(component, task)
        for sign in settings.signs:
            own = self.ranked(component, task, sign)
            assert own is not None  # the task has a circuit
            yield Order(OWN, 0, sign, own, there)
            for trial in range(1, settings.layer_matched_trials + 1):
                seed = (settings.seed, model, task, sign, trial)
                matched = orders.layer_matched(own, there, *seed)
                yield Order(LAYER_MATCHED, trial, sign, matched, there)
            for other in lenders:
                lent = self.ranked(component, other, sign)
                assert lent is not None
                yield Order(other, 0, sign, lent, there)
        for trial in range(1, settings.random_trials + 1):
            drawn = orders.at_random(there, settings.seed, model, task, trial)
            yield Order(RANDOM, trial, "", drawn, there)

    def works(self) -> Iterator[Work[Bench]]:
        """All circuits of all orders, task by task; the intact model is run for the first kind."""
        for task, target in self.included:
            for component in self.study.attribution.components:
                wanted = dict.fromkeys(
                    circuit
                    for order in self.orders(component, task)
                    for circuit in order.beginnings(self.settings.fractions)
                )
                for kind in self.settings.kinds:
                    yield self.work(target, component, kind, wanted)

    def work(
        self, target: EffectTarget, component: str, kind: str, circuits: Iterable[Beginning]
    ) -> Work[Bench]:
        """All circuits that are kept of one task's model, the others being silenced in one way."""

        def kept(circuit: Beginning) -> Any:
            from brodmann.circuits.lesions import Kept

            return Kept(circuit.mask)

        keys = {one: self.key(target, component, kind, one) for one in circuits}
        return lesion_work(target, component, kind, keys, kept)

    def key(self, target: EffectTarget, component: str, kind: str, circuit: Beginning) -> str:
        """Hash of everything that one row of work depends on."""
        return digest(
            {
                "stage": "faithfulness",
                "method": METHODS["faithfulness"],
                "model": self.stage.card.scoring_identity(),
                "architecture": self.stage.card.architecture,
                **target.inputs,
                "component": component,
                # Where everything is kept nothing is replaced, whatever the kind.
                "kind": "intact" if circuit.whole else kind,
                "kept": circuit.units,
            }
        )

    def answers(self, task: str, target: EffectTarget) -> Answers:
        """What the intact model makes of a task's items, and resampled lists of them."""
        baseline, settings = self.baselines[task], self.settings
        clean, corrupted = (metrics(baseline, target.used, side) for side in ("clean", "corrupted"))
        groups = target.groups
        # Of a single independent unit there is no other draw.
        lists = settings.bootstraps if len(set(groups)) > 1 else 0
        weights = bootstrap_weights(groups, lists, f"{settings.seed}/{task}")
        return Answers(clean, corrupted, weights.astype(np.float64), target.unnormalised)


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    baseline_files: Sequence[str],
    attribution_folder: str,
    manifest: str,
    threads: int,
    share: Share = WHOLE,
) -> None:
    """Rule ``faithfulness_pass``: measure what the store lacks, then write the manifest."""
    from brodmann.circuits.stages import rivals
    from brodmann.circuits.stages.tried import TriedOrders

    files = TaskFiles(model_json, item_files, baseline_files, attribution_folder)
    own = FaithfulnessStage.open(study, files)
    name = own.stage.card.name
    load = Bench.opener(study, name, record_file, threads)
    with Pass("faithfulness", name, manifest, load, share) as this:
        works = [*own.works(), *TriedOrders.of(own, this.folder).works()]
        done = this.make(works, bar="faithfulness", unit="row", listed=False)
        this.note(circuits=sum(len(one.names) for one in done))
        this.make(rivals.works(own), bar="rivals", unit="row", listed=False)


# The light job


def write_tables(
    study: Study,
    *,
    files: TaskFiles,
    manifest: str,
    component: str,
    curves: str,
    areas: str,
) -> None:
    """Rule ``faithfulness``: the curves of all orders and their areas, from the store."""
    own = FaithfulnessStage.open(study, files)
    records = Records(manifest, "faithfulness")
    points: list[dict[str, object]] = []
    found: list[dict[str, object]] = []
    for task, target in own.included:
        answers = own.answers(task, target)
        for order, kind in product(own.orders(component, task), own.settings.kinds):
            curve = curve_of(own, records, target, component, kind, order, answers)
            line = {
                **dict(zip(_LINE, (task, order.name, order.trial, order.sign, kind), strict=True)),
                "n": len(target.used),
            }
            points += _points(line, curve)
            found.append({**line, **({} if answers.unnormalised else _areas(curve))})
    write_table(curves, points, COLUMNS)
    write_table(areas, found, AREAS)


def curve_of(
    own: FaithfulnessStage,
    records: Records,
    target: EffectTarget,
    component: str,
    kind: str,
    order: Order,
    answers: Answers,
) -> Curve:
    """The curve of one order on one task, of what the pass has measured."""
    percents = own.settings.fractions
    circuits = order.beginnings(percents)
    measures = [metric_of(_scores(own, records, target, component, kind, one)) for one in circuits]
    return Curve.of(percents, [one.n for one in circuits], measures, answers)


def _scores(
    own: FaithfulnessStage,
    records: Records,
    target: EffectTarget,
    component: str,
    kind: str,
    circuit: Beginning,
) -> np.ndarray:
    key = own.key(target, component, kind, circuit)
    payload = records.at(key, f"a stored circuit of {target.task}")
    return np.array(json.loads(payload)["scores"])


def _points(line: Mapping[str, object], curve: Curve) -> Iterator[dict[str, object]]:
    for place, (low, high) in enumerate(curve.intervals):
        yield {
            **line,
            "fraction": float(curve.percents[place]),
            "n_units": int(curve.counts[place]),
            "faithfulness": float(curve.faithfulness[place]),
            "low": low,
            "high": high,
        }


def _areas(curve: Curve) -> dict[str, object]:
    """With the faithfulness of the smallest circuit, and the smallest one that is enough."""
    found: dict[str, object] = {**curve.areas(), "floor": float(curve.faithfulness[0])}
    if (place := curve.enough) is not None:
        percent, units = curve.percents[place], curve.counts[place]
        found |= {"enough_percent": float(percent), "enough_units": int(units)}
    return found
