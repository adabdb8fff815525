"""How estimators compare: the tables, and what the orders of units that they give keep of a task.

The faithfulness pass measures the circuits that begin these orders, on the tasks that it tests; so each
estimator's CPR and CMD stand beside its agreement with true patching.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load as unpack

from brodmann.circuits import orders
from brodmann.circuits.stages.effects import EffectTarget
from brodmann.circuits.stages.faithfulness import FaithfulnessStage, Order, curve_of
from brodmann.circuits.stages.files import TaskFiles
from brodmann.circuits.stages.trials import Trial, Trials
from brodmann.circuits.trials import COLUMNS, SECONDS, SUMMARY, summarised
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner.bench import Bench
from brodmann.store.tables import write_frame, write_table
from brodmann.store.work import Records, Work


@dataclass(frozen=True)
class TriedOrders:
    """By the attribution of every trial, of the first sign; others are silenced in the first way.

    ``attributions``: what the attribution pass left.
    """

    faithfulness: FaithfulnessStage
    attributions: Records

    @classmethod
    def of(cls, faithfulness: FaithfulnessStage, store: str | Path) -> TriedOrders:
        """``store``: results/{model}/.store."""
        return cls(faithfulness, Records(Path(store, "attribution.json"), "attribution"))

    @property
    def targets(self) -> Iterator[tuple[str, EffectTarget]]:
        """The included tasks on which both are asked for."""
        both = self.faithfulness.study.tried_orders
        return ((task, own) for task, own in self.faithfulness.included if task in both)

    def of_task(self, component: str, task: str) -> Iterator[tuple[Trial, Order]]:
        """Every trial's order of a task's units."""
        own = self.faithfulness
        sign = own.settings.signs[0]
        trials = Trials(own.stage, own.lists[task], component)
        for trial in trials.every:
            name = trial.named(trials.items, component)
            payload = self.attributions.get(name, f"the stored attribution of {name}")
            found = unpack(payload)["attribution"]
            if np.isnan(found).any():
                fix = "its dtype may be too small; try dtype: float32"
                raise UserError.at(name, "the attribution holds NaN", fix)
            there = own.stage.population(component)
            ranked = orders.ranked(found, sign, there)
            yield trial, Order(trial.estimator, 0, sign, ranked, there)

    def works(self) -> Iterator[Work[Bench]]:
        """All circuits of all trials, task by task."""
        own = self.faithfulness
        for task, target in self.targets:
            for component in own.study.attribution.components:
                wanted = dict.fromkeys(
                    circuit
                    for _, order in self.of_task(component, task)
                    for circuit in order.beginnings(own.settings.fractions)
                )
                yield own.work(target, component, own.settings.kinds[0], wanted)

    def areas(
        self, component: str, records: Records
    ) -> dict[tuple[str, str, str], dict[str, float]]:
        """(task, estimator, positions) -> CPR and CMD; none of models without a contrast."""
        own, found = self.faithfulness, {}
        for task, target in self.targets:
            answers = own.answers(task, target)
            for trial, order in self.of_task(component, task) if not answers.unnormalised else ():
                measured = own, records, target, component, own.settings.kinds[0]
                areas = curve_of(*measured, order, answers).areas()
                at = task, trial.estimator, trial.positions
                found[at] = {name: areas[name] for name in ("cpr", "cmd")}
        return found


def write_trials(
    study: Study,
    *,
    files: TaskFiles,
    component: str,
    manifest: str,
    tested: Sequence[str],
    table: str,
    summary: str,
    seconds: str,
) -> None:
    """Rule ``trials``: how estimators compare, task by task and on average; and how long they took.

    ``tested``: the manifest of the faithfulness pass, where that has tested their circuits.
    """
    own = FaithfulnessStage.open(study, files)
    records = Records(manifest, "attribution")
    found: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    for items in own.lists.values():
        rows, taken = Trials(own.stage, items, component).rows(records)
        found += rows
        times += taken
    order = {pair: n for n, pair in enumerate(study.attribution.agreement.grid)}
    found.sort(key=lambda row: order[row["estimator"], row["positions"]])
    for file in tested:
        areas = TriedOrders(own, records).areas(component, Records(file, "faithfulness"))
        for row in found:
            row |= areas.get((row["task"], row["estimator"], row["positions"]), {})
    write_table(table, found, COLUMNS)
    write_table(seconds, times, SECONDS)
    means = summarised(pd.DataFrame(found, columns=list(COLUMNS)), study.attribution.seed)
    write_frame(summary, means.reindex(columns=list(SUMMARY)))
