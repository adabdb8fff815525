"""Attribution stage: one pass per model that finds every circuit, light jobs that read what it found.

A *piece of work* is one item list of one task for one component: the task's own items, or those of the
second seed, which only serve reliability. Stored attributions are not normalised: the contrast divides
them in the light job, so that they depend on the items, not on the last digit of a baseline.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from brodmann.circuits.costs import MOST_HELD
from brodmann.circuits.estimators import estimator
from brodmann.circuits.estimators.interface import Estimator
from brodmann.circuits.inclusion import Baseline, baseline_of
from brodmann.circuits.masks import select_units, selections, write_mask
from brodmann.circuits.replicates import Accumulator, Strongest, bootstrap_weights, half_weights
from brodmann.circuits.split import circuit_items, effect_items
from brodmann.circuits.stages.baseline import store_key as baseline_key
from brodmann.circuits.stages.curves import FewerItems, curve_name
from brodmann.circuits.stages.files import TaskFiles
from brodmann.circuits.stages.together import Joined, fit
from brodmann.config.attribution import AttributionSettings
from brodmann.config.selection import KEPT_PERCENT
from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import Target, plan_of
from brodmann.sites import COMPONENTS
from brodmann.store.shares import WHOLE, Share
from brodmann.store.store import Store
from brodmann.store.tensors import facts_of, read_tensor, write_tensors
from brodmann.store.work import Missing, OnStep, Pass, Records, Work
from brodmann.tasks.items import TaskItems, read_items

# Replicates are summed on the GPU if they take no larger share of what is free there: batches need the rest.
_SUMS_SHARE = 0.1


@dataclass(frozen=True)
class ItemList(Target):
    """The items of one task on which a circuit is found."""

    second: bool  # of the second seed

    @property
    def label(self) -> str:
        """For the ledger, the progress bar and the manifest."""
        return f"{self.task} (second seed)" if self.second else self.task

    def named(self, component: str) -> str:
        """What the manifest calls its attribution."""
        return f"{self.label}, {component}"


class Stage:
    """What the jobs of this stage share: the study, the model's card, and how work is found again."""

    def __init__(self, study: Study, model_json: str | Path) -> None:
        self.study = study
        self.settings = study.attribution
        self.card = ModelCard.read(model_json)
        self.entry = study.model(self.card.name)
        self.fewer = FewerItems.of(study)

    def plan(self, items: TaskItems) -> PromptPlan:
        """How the model is shown a task."""
        return plan_of(self.study, self.card, items)

    def list_of(
        self, items: TaskItems, baseline: Baseline, *, second: bool = False
    ) -> ItemList | None:
        """The items that find a task's circuit; None for an excluded task.

        ``second``: of the second seed's items, if the task would be included by them.
        """
        used = circuit_items(baseline.used_ids, items.groups, self.study.tasks.split)
        out = not (baseline.included and used) if second else self.excluded(items, baseline)
        return None if out else ItemList(items, self.plan(items), tuple(used), second)

    def excluded(self, items: TaskItems, baseline: Baseline) -> str:
        """Why a task has no circuit; nothing if it has one."""
        if not baseline.included:
            return baseline.reason
        split, groups = self.study.tasks.split, items.groups
        halves = (part(baseline.used_ids, groups, split) for part in (circuit_items, effect_items))
        return "" if all(halves) else "a split of its items leaves nothing on one side"

    def second_list(self, items: TaskItems, scores: Store, manifest: str) -> ItemList | None:
        """The same of the second seed's items, if the task would be included by them."""
        if not len(items):
            return None  # the material gave no second list
        what = f"the stored baseline of {items.task} (second seed)"
        key = baseline_key(self.card, items, self.plan(items))
        found = baseline_of(json.loads(scores.require(key, what, manifest)), self.entry.inclusion)
        return self.list_of(items, found, second=True)

    def key(self, items: ItemList, component: str) -> str:
        """Hash of everything that the attribution of one list depends on."""
        replicates = {"groups": items.groups, **self.replication} if not items.second else {}
        return digest({**self.basis(items, component), "replicates": replicates})

    def keys(self, items: ItemList, component: str) -> dict[str, str]:
        """Name -> key of what is made of a list's contributions: its attribution; circuits of fewer items."""
        found = {items.named(component): self.key(items, component)}
        if self.fewer.asked and not items.second:
            basis = self.basis(items, component)
            found[curve_name(items.label, component)] = self.fewer.key(basis, items.groups)
        return found

    def basis(
        self, items: ItemList, component: str, settings: AttributionSettings | None = None
    ) -> dict[str, Any]:
        """What decides an attribution itself, with the study's settings or others."""
        return {
            "stage": "attribution",
            "method": METHODS["attribution"],
            "model": self.card.scoring_identity(),
            "units": self.card.architecture,
            **items.inputs,
            "component": component,
            "estimation": self.estimation(component, settings),
        }

    def estimation(
        self, component: str, settings: AttributionSettings | None = None
    ) -> dict[str, Any]:
        """How a component's units are scored; routers have a say where these are experts' neurons alone."""
        own = (settings or self.settings).estimation()
        if self.card.experts_at(COMPONENTS[component]) is None:
            own.pop("router_gradient", None)
        return own

    @property
    def replication(self) -> dict[str, Any]:
        """What decides the replicates: none where the estimator has none."""
        if not estimator(self.settings).has_replicates:
            return {"splits": 0, "bootstraps": 0, "seed": 0, "kept": KEPT_PERCENT}
        return {**self.settings.replication(), "kept": self.study.selection.kept}

    def shape(self, component: str) -> tuple[int, int]:
        """(layers, units per layer)."""
        return self.card.n_layers, self.card.units(component)

    def population(self, component: str) -> Population:
        """The units of a component, or of a level."""
        return Population.of_level(self.card, component)


# The pass


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    second_files: Sequence[str],
    baseline_files: Sequence[str],
    manifest: str,
    threads: int,
    share: Share = WHOLE,
) -> None:
    """Rule ``attribution_pass``: compute what the store lacks, then write the manifest.

    Shards share the tasks: which items of a second seed are used follows from their baseline, and replicates
    are of all items of a list.
    """
    from brodmann.circuits.stages import survey
    from brodmann.circuits.stages.agreement import comparison_work
    from brodmann.circuits.stages.trials import trial_works

    stage, files = Stage(study, model_json), TaskFiles(model_json, item_files, baseline_files)
    seconds = {items.task: items for items in map(read_items, second_files)}
    lists = [stage.list_of(items, found) for items, found in files]
    wanted = [own for own in lists if own is not None]
    load = Bench.opener(study, stage.card.name, record_file, threads)
    with Pass("attribution", stage.card.name, manifest, load, share) as this:
        mine = this.own({own.task: _characters(own, seconds.get(own.task)) for own in wanted})
        wanted = [own for own in wanted if own.task in mine]
        # Circuits need the items that the model has right: of the second seed's they are not known yet.
        again = [seconds[own.task] for own in wanted if own.task in seconds]
        surveyed = survey.Survey(stage, this.store(), second=True)
        this.make(
            [surveyed.work(one, passes=False) for one in again if len(one)],
            bar="second items",
            unit="answer",
            store="baseline",
            listed=False,
            dealt=False,
        )
        this.computed(*surveyed.made)
        second = (stage.second_list(one, this.store("baseline"), manifest) for one in again)
        wanted += [own for own in second if own is not None]
        together, compares = Attributions(stage), stage.settings.agreement
        works = []
        for own in wanted:
            works.append(together.work(own))
            if own.task in compares.plain_tasks and not own.second:
                works.append(comparison_work(stage, own, this.store()))
        took: dict[str, float] = {}
        for own in wanted:
            if own.task in compares.tried_tasks and not own.second:
                works += trial_works(stage, own, this.store(), took)
        this.make(works, bar="attribution", unit="item", dealt=False)
        if took:
            this.note(estimator_seconds=took)


def _characters(items: ItemList, second: TaskItems | None) -> int:
    """What is read of a task, about."""
    again = second.characters(items.plan.wording).all if second is not None and len(second) else 0
    return items.characters.all + again


class Attributions:
    """Attributes the lists of several tasks together: their prompts and tails in common trees."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def work(self, items: ItemList) -> Work[Bench]:
        """All that is made of a list's contributions."""
        components = self.stage.settings.components
        return Work(
            items.label,
            {name: key for own in components for name, key in self.stage.keys(items, own).items()},
            group=items.label,
            steps=lambda *_: len(items.used),
            together=self,
            about=items,
        )

    def fits(self, bench: Bench, works: Sequence[Missing[Bench]]) -> bool:
        """See ``store.work.Together``."""
        alike = len({self._components(one) for one in works}) == 1
        if not alike or len(works) * self._held() > MOST_HELD:
            return False
        return fit(bench, (bench.encoded(one.work.about) for one in works))

    def _held(self) -> int:
        """Bytes of one list's sums."""
        wanted, curve = self.stage.replication, self.stage.settings.stability
        replicates = 2 * wanted["splits"] + wanted["bootstraps"] + len(curve.items) * curve.draws
        each = 8 + 4 * replicates
        shapes = [self.stage.shape(component) for component in self.stage.settings.components]
        return int(each * sum(layers * units for layers, units in shapes))

    def compute(
        self, bench: Bench, works: Sequence[Missing[Bench]], on_step: OnStep
    ) -> Iterator[tuple[Work[Bench], dict[str, bytes]]]:
        """See ``store.work.Together``."""
        session = Session(bench, self.stage)
        lists: list[ItemList] = [one.work.about for one in works]
        components = self._components(works[0])
        found = session.estimate(lists, components, on_step)
        for one, items, sums in zip(works, lists, found, strict=True):
            for component in components:
                yield one.work, session.records(items, component, sums[component], one.names)

    def _components(self, one: Missing[Bench]) -> tuple[str, ...]:
        items, components = one.work.about, self.stage.settings.components
        return tuple(
            c for c in components if set(self.stage.keys(items, c)).intersection(one.names)
        )


class Session:
    """How a loaded model's attributions are computed."""

    def __init__(self, bench: Bench, stage: Stage) -> None:
        self.bench, self.study, self.model = bench, bench.study, bench.model
        self.stage = stage

    def _made_with(self) -> dict[str, Any]:
        return {"computed_with": self.bench.made_with}

    def attributor(
        self, components: Sequence[str], estimator: Estimator, positions: str | None = None
    ) -> Any:
        """What attributes to the units of these components, at the study's positions or others."""
        from brodmann.circuits.attribution import Attributor

        return Attributor(
            self.model,
            components=components,
            gradient=self.stage.settings.gradient,
            estimator=estimator,
            positions=positions or self.stage.settings.positions,
            router_gradient=self.stage.settings.router_gradient,
            engine=self.bench.engine,
        )

    def _weights(self, items: ItemList) -> np.ndarray:
        """Replicates [halves, bootstraps, lists of fewer, items]; none of the second seed's items."""
        if items.second:
            return np.zeros((0, len(items.used)), dtype=np.float32)
        wanted, groups = self.stage.replication, items.groups
        seed = f"{wanted['seed']}/{items.items.digest(items.plan.wording)}"
        return np.concatenate(
            [
                half_weights(groups, wanted["splits"], seed),
                bootstrap_weights(groups, wanted["bootstraps"], seed),
                self.stage.fewer.weights(groups, seed),
            ]
        )

    def sums(self, items: ItemList, components: Sequence[str]) -> dict[str, Accumulator]:
        """What contributions of the used items are added to, beside the model where there is room."""
        import torch

        from brodmann.runner.memory import Budget

        weights = self._weights(items)
        shapes = {c: self.stage.shape(c) for c in components}
        size = sum(Accumulator.size(len(weights), shape) for shape in shapes.values())
        device = self.model.device
        there = device.type == "cuda" and size <= _SUMS_SHARE * Budget(device).free()
        place = device if there else torch.device("cpu")
        return {c: Accumulator(weights, shape, place) for c, shape in shapes.items()}

    def estimate(
        self, lists: Sequence[ItemList], components: Sequence[str], on_items: Any
    ) -> Iterator[dict[str, Accumulator]]:
        """Mean and replicates of these components, list by list."""
        chosen = estimator(self.stage.settings)
        sums = [self.sums(items, components) for items in lists]
        attributor = self.attributor(components, chosen)
        encoded = [self.bench.encoded(items) for items in lists]
        joined = Joined.of(encoded)

        def where(number: int) -> str:
            which, own = joined.place(number)
            return f"{lists[which].items.task}, item {own}"

        for part in attributor.of_all(joined.items, where, on_items):
            for which, (rows, numbers) in joined.split(part.numbers).items():
                for component, values in part.values.items():
                    own = values if len(rows) == len(values) else values[rows]
                    sums[which][component].add(numbers, own)
        for own, used in zip(sums, encoded, strict=True):
            yield {c: chosen.refined(attributor, c, found, used) for c, found in own.items()}

    def records(
        self, items: ItemList, component: str, sums: Accumulator, names: Collection[str]
    ) -> dict[str, bytes]:
        """Those of ``names`` that are made of a list's sums for this component."""
        made = {
            items.named(component): self._attribution,
            curve_name(items.label, component): self._curve,
        }
        return {name: make(items, sums) for name, make in made.items() if name in names}

    def _attribution(self, items: ItemList, sums: Accumulator) -> bytes:
        """The mean, and the strongest units of the replicates."""
        import torch

        tensors = {"attribution": sums.mean}
        if not items.second:
            wanted = self.stage.replication
            replicates, _ = self.stage.fewer.split(items.groups, sums.replicates)
            halves = len(replicates) - wanted["bootstraps"]
            parts = {"halves": replicates[:halves], "bootstraps": replicates[halves:]}
            for name, own in parts.items():
                kept = Strongest.of(own, wanted["kept"], torch.get_num_threads())
                tensors |= kept.tensors(name)
        return self._packed(tensors, sums)

    def _curve(self, items: ItemList, sums: Accumulator) -> bytes:
        """The circuits of lists of fewer items, of the main size, by their number."""
        groups, fewer = items.groups, self.stage.fewer
        return self._packed(fewer.tensors(groups, fewer.split(groups, sums.replicates)[1]), sums)

    def _packed(self, tensors: Mapping[str, np.ndarray], sums: Accumulator) -> bytes:
        facts = {"n_items": sums.n_items, **self._made_with()}
        return pack(dict(tensors), metadata={"facts": json.dumps(facts)})


# The light jobs


def write_attribution(
    study: Study,
    *,
    model_json: str,
    items_file: str,
    second_file: str | None,
    baseline_file: str,
    manifest: str,
    component: str,
    output: str,
    replicates: str,
) -> None:
    """Rule ``attribution``, for each task: its stored attribution as the files of the results contract.

    An excluded task gets a [0, 0] tensor whose metadata say why.
    """
    stage = Stage(study, model_json)
    items, baseline = read_items(items_file), Baseline.read(baseline_file)
    metadata: dict[str, Any] = {
        "task": items.task,
        "component": component,
        **stage.estimation(component),
        "method": METHODS["attribution"],
        "model": stage.card.scoring_identity(),
    }
    if (there := stage.population(component)).spans is not None:
        metadata["units"] = len(there)
    own = stage.list_of(items, baseline)
    if own is None:
        metadata["excluded"] = stage.excluded(items, baseline)
        write_tensors(output, {"attribution": np.zeros((0, 0), np.float32)}, metadata)
        write_tensors(replicates, {}, metadata)
        return
    tensors, second, facts = _found(own, component, second_file, manifest)
    attribution = tensors.pop("attribution")
    normalised = (attribution / baseline.contrast).astype(np.float32)
    metadata |= {
        "n_items": facts["n_items"],
        "n_units": len(set(own.groups)),
        "contrast": baseline.contrast,
        "unnormalised": baseline.unnormalised,
        "computed_with": facts["computed_with"],
    }
    write_tensors(output, {"attribution": normalised}, metadata)
    if second is not None:
        tensors["second"] = second
    write_tensors(replicates, tensors, metadata)


def _found(
    own: ItemList, component: str, second_file: str | None, manifest: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, Any]]:
    """(the tensors of a task's own items, the attribution of the second seed's, facts of the first)."""
    records = Records(manifest, "attribution")
    tensors, facts = _stored(records, own, component)
    second = replace(own, second=True)
    if second_file is None or second.named(component) not in records:
        return tensors, None, facts
    found, _ = _stored(records, second, component)
    return tensors, found["attribution"], facts


def _stored(
    records: Records, items: ItemList, component: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    payload = records.get(items.named(component), f"the stored attribution of {items.label}")
    return unpack(payload), facts_of(payload)


def write_masks(
    study: Study,
    *,
    model_json: str,
    component: str,
    attribution: str,
    outputs: Sequence[str],
    task: str,
) -> None:
    """Rule ``circuit_masks``, for each task: a mask of every selection; an excluded one has a header only."""
    card = ModelCard.read(model_json)
    origin = card.origin(COMPONENTS[component])
    values = read_tensor(attribution, "attribution")
    n_units = len(Population.of_level(card, component))
    chosen = selections(study.selection.signs, study.selection.percents)
    for selection, output in zip(chosen, outputs, strict=True):
        if values.size:
            mask = select_units(values, selection, f"{card.name}, {task}", n_units)
        else:
            mask = select_units(np.zeros((1, 1), np.float32), selection)
        write_mask(output, mask, origin, selection, card.experts_at(origin.site))
