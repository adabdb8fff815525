"""Which estimator: every one that is tried, at each of its positions, against true patching.

A *trial* is an estimator at some positions (``attribution.agreement.estimators``). It attributes a task's
first used items. True effects are measured once for all trials at the same positions: of the units that any
of them finds strongest, and of random ones, so that no estimator alone chooses what it is judged by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from brodmann.circuits.agreement import agreement
from brodmann.circuits.estimators import estimator
from brodmann.circuits.masks import Selection, select_units
from brodmann.circuits.overlap import reliability
from brodmann.circuits.replicates import Accumulator, Strongest, half_weights
from brodmann.circuits.stages.attribution import ItemList, Session, Stage
from brodmann.circuits.trials import trial_name
from brodmann.files import canonical_json, digest
from brodmann.methods import METHODS
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.store.store import Store
from brodmann.store.tensors import facts_of
from brodmann.store.work import OnStep, Records, Work


@dataclass(frozen=True)
class Trial:
    """An estimator at some positions."""

    estimator: str
    positions: str

    def named(self, items: ItemList, component: str) -> str:
        """What the manifest calls its attribution."""
        return trial_name(items.label, component, f"{self.estimator} at {self.positions}")


def true_name(label: str, component: str, positions: str) -> str:
    """What the manifest calls the true effects on a list of items that trials at these positions are held
    against."""
    return f"{label}, {component}: true effects at {positions}"


@dataclass(frozen=True)
class Trials:
    """All trials of a study, on one list of items and for one kind of unit."""

    stage: Stage
    items: ItemList
    component: str

    @property
    def every(self) -> list[Trial]:
        """In the order of the config."""
        return [Trial(*pair) for pair in self.stage.settings.agreement.grid]

    def at(self, positions: str) -> list[Trial]:
        """Those at the same positions."""
        return [trial for trial in self.every if trial.positions == positions]

    @property
    def main(self) -> Selection:
        """The circuits that are compared."""
        selection = self.stage.study.selection
        return Selection(selection.signs[0], selection.main)

    @cached_property
    def there(self) -> Population:
        """The units that exist."""
        return self.stage.population(self.component)

    @property
    def count(self) -> int:
        """How many of the used items are tried."""
        return min(self.stage.settings.agreement.items, len(self.items.used))

    def keys(self) -> dict[str, str]:
        """Name -> key of every record: attributions, then true effects."""
        own = {trial: self._key(trial) for trial in self.every}
        found = {trial.named(self.items, self.component): key for trial, key in own.items()}
        for at in self.stage.settings.agreement.positions:
            basis = {
                "of": [own[trial] for trial in self.at(at)],
                "units": self.stage.settings.agreement.units,
                "seed": self.stage.settings.seed,
                "main": self.stage.study.selection.main_name,
                **self.there.in_keys(),
            }
            found[true_name(self.items.label, self.component, at)] = digest(basis)
        return found

    def _key(self, trial: Trial) -> str:
        settings = self.stage.settings
        wanted = settings.but(estimator=trial.estimator, positions=trial.positions)
        return digest(
            {
                "of": self.stage.basis(self.items, self.component, wanted),
                "method": METHODS["agreement"],
                "items": self.count,
                "replicates": [self.items.groups[: self.count], settings.splits, settings.seed],
                "kept": self.stage.study.selection.kept,
            }
        )

    # The pass

    def compute(
        self, bench: Bench, lacking: Sequence[str], store: Store, seconds: dict[str, float]
    ) -> Iterator[dict[str, bytes]]:
        """The records of these names, one after another. ``seconds``: what each trial took is added to it."""
        session, keys = Session(bench, self.stage), self.keys()
        some = list(bench.encoded(self.items))[: self.count]
        # What is made when a model is first run is no trial's.
        list(self._attributor(session, Trial("patching", "last")).contributions("", some[:1]))
        for trial in self.every:
            if (name := trial.named(self.items, self.component)) in lacking:
                record = self._tried(session, trial, some)
                label = f"{trial.estimator} at {trial.positions}"
                seconds[label] = seconds.get(label, 0.0) + facts_of(record)["seconds"]
                yield {name: record}
        for at in self.stage.settings.agreement.positions:
            if (name := true_name(self.items.label, self.component, at)) in lacking:
                means = []
                for trial in self.at(at):
                    # Put there by this pass or an earlier one.
                    held = store.get(keys[trial.named(self.items, self.component)])
                    assert held is not None
                    means.append(unpack(held)["attribution"])
                yield {name: self._measured(session, at, means, some)}

    def _attributor(self, session: Session, trial: Trial) -> Any:
        own = estimator(self.stage.settings, trial.estimator)
        return session.attributor((self.component,), own, trial.positions)

    def _tried(self, session: Session, trial: Trial, some: Sequence[Any]) -> bytes:
        """Attribution [layers, units] of some items, and the strongest units of their halves."""
        settings, task = self.stage.settings, self.items.task
        groups = self.items.groups[: self.count]
        halves = half_weights(groups, settings.splits, f"{settings.seed}/{task}/trials")
        started = time.perf_counter()
        attributor = self._attributor(session, trial)
        sums = Accumulator(halves, self.stage.shape(self.component))
        for part in attributor.contributions(task, some):
            sums.add(part.numbers, part.values[self.component])
        seconds = time.perf_counter() - started
        kept = Strongest.of(sums.replicates, self.stage.study.selection.kept)
        tensors = {"attribution": sums.mean, **kept.tensors("halves")}
        return _packed(tensors, session, n_items=len(some), seconds=seconds)

    def _measured(
        self, session: Session, positions: str, means: Sequence[np.ndarray], some: Sequence[Any]
    ) -> bytes:
        """True effects [units] of the strongest units of all ``means``, and of random ones."""
        settings, task = self.stage.settings, self.items.task
        strong = np.unique(np.concatenate([self.circuit(mean) for mean in means]))
        dice = np.random.default_rng([settings.seed, *canonical_json([task, positions])])
        rest = np.setdiff1d(self.there.units, strong)
        drawn = dice.choice(rest, size=min(settings.agreement.units, len(rest)), replace=False)
        units = np.concatenate([strong, np.sort(drawn)])
        width = means[0].shape[1]
        places = [(int(unit) // width, int(unit) % width) for unit in units]
        started = time.perf_counter()
        run = self._attributor(session, Trial("patching", positions))
        effects = run.exact_effects(some, self.component, places)
        seconds = time.perf_counter() - started
        tensors = {"unit": units.astype(np.int64), "exact": effects.mean(0).numpy()}
        return _packed(tensors, session, n_items=len(some), seconds=seconds)

    def circuit(self, mean: np.ndarray) -> np.ndarray:
        """Flat units of the main circuit of an attribution [layers, units]."""
        found: np.ndarray = select_units(mean, self.main, n_units=len(self.there)).units
        return found

    # The light job

    def rows(self, records: Records) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Of the table and of the table of seconds: a row per trial."""
        task, found, times = self.items.task, [], []
        for at in self.stage.settings.agreement.positions:
            name = true_name(self.items.label, self.component, at)
            payload = records.get(name, f"the true effects of {name}")
            true, truth = unpack(payload), facts_of(payload)
            line = {"task": task, "positions": at, "n_items": truth["n_items"]}
            for trial in self.at(at):
                name = trial.named(self.items, self.component)
                payload = records.get(name, f"the stored attribution of {name}")
                tensors, facts = unpack(payload), facts_of(payload)
                mean = tensors["attribution"]
                circuit, units = self.circuit(mean), true["unit"]
                held = np.isin(units, circuit)
                one = agreement(mean.reshape(-1)[units], true["exact"], held)
                halves = Strongest.stored(tensors, "halves", len(self.there))
                rate = reliability(halves, self.main, circuit, None).split_containment
                line |= {"estimator": trial.estimator}
                found.append({**line, **asdict(one), "reliability": rate})
                times.append({**line, "seconds": facts["seconds"]})
            times.append({**line, "estimator": "exact", "seconds": truth["seconds"]})
            times[-1]["n_units"] = len(true["unit"])
        return found, times


def _packed(tensors: Mapping[str, np.ndarray], session: Session, **facts: Any) -> bytes:
    found = {**facts, "computed_with": session.bench.made_with}
    return pack(dict(tensors), metadata={"facts": json.dumps(found)})


def trial_works(
    stage: Stage, items: ItemList, store: Store, seconds: dict[str, float]
) -> Iterator[Work[Bench]]:
    """All trials on one list of items. ``seconds``: what each trial takes is added to it."""
    for component in stage.settings.components:
        own = Trials(stage, items, component)

        def compute(
            bench: Bench, lacking: Sequence[str], _: OnStep, own: Trials = own
        ) -> Iterator[dict[str, bytes]]:
            yield from own.compute(bench, lacking, store, seconds)

        what = f"{items.label}: estimators"
        yield Work(what, own.keys(), compute, items.label, steps=lambda *_: 0)
