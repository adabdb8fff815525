"""Attribution stage: one pass per model that finds every circuit, light jobs that read what it found.

A *piece of work* is one item list of one task for one component: the task's own items, or those of the
second seed, which only serve reliability. Stored attributions are not normalised: the contrast divides
them in the light job, so that they depend on the items, not on the last digit of a baseline.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from brodmann.circuits.estimators import compared, estimator
from brodmann.circuits.estimators.interface import Estimator
from brodmann.circuits.inclusion import Baseline, baseline_of
from brodmann.circuits.masks import Selection, select_units, selections, write_mask
from brodmann.circuits.replicates import Accumulator, Strongest, bootstrap_weights, half_weights
from brodmann.circuits.split import circuit_items, effect_items, group_of
from brodmann.circuits.stages.baseline import store_key as baseline_key
from brodmann.config.study import KEPT_PERCENT, Study
from brodmann.files import canonical_json, digest
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import PromptPlan, plan_prompts
from brodmann.store import ledger
from brodmann.store.progress import progress
from brodmann.store.store import Store
from brodmann.store.tensors import read_tensor, write_tensors
from brodmann.tasks.items import TaskItems, read_items

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ItemList:
    """The items of one task on which a circuit is found."""

    items: TaskItems
    plan: PromptPlan
    used: tuple[int, ...]
    second: bool  # of the second seed

    @property
    def groups(self) -> list[str]:
        """The group of each used item."""
        return [group_of(self.items.groups, number) for number in self.used]

    @property
    def label(self) -> str:
        """For the progress bar."""
        return f"{self.items.task} (second seed)" if self.second else self.items.task


class Stage:
    """What the jobs of this stage share: the study, the model's card, and how work is found again."""

    def __init__(self, study: Study, model_json: str | Path) -> None:
        self.study = study
        self.settings = study.attribution
        self.card = ModelCard.read(model_json)
        self.entry = study.model(self.card.name)

    def plan(self, items: TaskItems) -> PromptPlan:
        """How the model is shown a task."""
        return plan_prompts(items, self.entry.prompting, self.card.has_chat_template)

    def own_list(self, items: TaskItems, baseline: Baseline) -> ItemList | None:
        """The items that find a task's circuit; None for an excluded task."""
        if self.excluded(items, baseline):
            return None
        used = circuit_items(baseline.used_ids, items.groups, self.study.tasks.split)
        return ItemList(items, self.plan(items), tuple(used), second=False)

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
        plan = self.plan(items)
        what = f"the stored baseline of {items.task} (second seed)"
        payload = scores.require(baseline_key(self.card, items, plan), what, manifest)
        found = baseline_of(json.loads(payload), self.entry.inclusion)
        used = circuit_items(found.used_ids, items.groups, self.study.tasks.split)
        if not found.included or not used:
            return None
        return ItemList(items, plan, tuple(used), second=True)

    def key(self, items: ItemList, component: str) -> str:
        """Hash of everything that the attribution of one list depends on."""
        replicates = {"groups": items.groups, **self.replication} if not items.second else {}
        return digest({**self._basis(items, component), "replicates": replicates})

    def _basis(self, items: ItemList, component: str) -> dict[str, Any]:
        """What decides an attribution itself."""
        return {
            "stage": "attribution",
            "method": METHODS["attribution"],
            "model": self.card.scoring_identity(),
            "units": self.card.architecture,
            "prompts": asdict(items.plan),
            "items": items.items.digest(items.plan.wording),
            "used": items.used,
            "component": component,
            "estimation": self.settings.estimation(),
        }

    @property
    def replication(self) -> dict[str, Any]:
        """What decides the replicates: none where the estimator has none."""
        if not estimator(self.settings).has_replicates:
            return {"splits": 0, "bootstraps": 0, "seed": 0, "kept": KEPT_PERCENT}
        return {**self.settings.replication(), "kept": self.study.selection.kept}

    def agreement_key(self, items: ItemList, component: str) -> str:
        """The same of a task's comparison of estimators."""
        return digest(
            {
                "of": self._basis(items, component),
                "method": METHODS["agreement"],
                "units": self.settings.agreement_units,
                "items": self.settings.agreement_items,
                "main": self.study.selection.main_name,
                "steps": self.settings.ig_steps,
                "seed": self.settings.seed,
            }
        )

    def shape(self, component: str) -> tuple[int, int]:
        """(layers, units per layer)."""
        return self.card.n_layers, self.card.units(component)


# The pass


@dataclass(frozen=True)
class _Work:
    items: ItemList
    components: tuple[str, ...]  # those that the store lacks
    agreement: tuple[str, ...]  # those whose comparison of estimators it lacks


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
) -> None:
    """Rule ``attribution_pass``: compute what the store lacks, then write the manifest."""
    this = ledger.Pass(manifest)
    stage = Stage(study, model_json)
    tasks = [read_items(path) for path in item_files]
    seconds = {items.task: items for items in map(read_items, second_files)}
    baselines = [Baseline.read(path) for path in baseline_files]
    lists = [stage.own_list(items, found) for items, found in zip(tasks, baselines, strict=True)]
    included = [own for own in lists if own is not None]
    record = WeightsRecord.read(record_file)
    session = _Session(study, stage, record, threads)
    with Store(this.store / "baseline") as scores, Store(this.store / "attribution") as store:
        wanted = list(included)
        again = [seconds[own.items.task] for own in included if own.items.task in seconds]
        session.score(again, scores)
        second = (stage.second_list(items, scores, manifest) for items in again)
        wanted += [own for own in second if own is not None]
        work = _missing(stage, wanted, store)
        session.attribute(work, store)
        scores.consolidate()
        store.consolidate()
    facts = {
        "stage": "attribution",
        "model_loads": int(session.model is not None),
        "forward_passes": session.forward_passes,
        "computed": [piece.items.label for piece in work],
        "reused": sorted({own.label for own in wanted} - {piece.items.label for piece in work}),
    }
    this.end(stage.card.name, facts)


def _missing(stage: Stage, wanted: Sequence[ItemList], store: Store) -> list[_Work]:
    work = []
    for items in wanted:
        components = stage.settings.components
        lacking = tuple(c for c in components if stage.key(items, c) not in store)
        compared = items.items.task in stage.settings.agreement_tasks and not items.second
        agreement = tuple(
            c for c in components if compared and stage.agreement_key(items, c) not in store
        )
        if lacking or agreement:
            work.append(_Work(items, lacking, agreement))
    log.info("%s: %d item lists, %d to attribute", stage.card.name, len(wanted), len(work))
    return work


class _Session:
    """The model, loaded when the first piece of work asks for it."""

    def __init__(self, study: Study, stage: Stage, record: WeightsRecord, threads: int) -> None:
        self.study = study
        self.stage = stage
        self.record = record
        self.threads = threads
        self.model: Any = None
        self.forward_passes = 0

    def _load(self) -> None:
        if self.model is None:
            self.model = load(self.study, self.stage.card.name, self.record, self.threads)

    def _encode(self, items: TaskItems, plan: PromptPlan) -> list[Any]:
        from brodmann.runner.encode import Encoder

        return Encoder(self.model.tokenizer, self.model.name).encode(items, plan)

    def score(self, tasks: Sequence[TaskItems], scores: Store) -> None:
        """Score the second seed's items that are not in the store: circuits need the right ones."""
        stage = self.stage
        missing = [
            task
            for task in tasks
            if len(task) and baseline_key(stage.card, task, stage.plan(task)) not in scores
        ]
        if not missing:
            return
        from brodmann.runner.answers import count_queries, score_items
        from brodmann.runner.context import Reader
        from brodmann.runner.scoring import Scorer

        self._load()
        tokens = self.study.execution.batch_tokens
        scorer = Scorer(self.model.hf, self.model.device, tokens, Reader(self.model))
        encoded = {items.task: self._encode(items, stage.plan(items)) for items in missing}
        total = sum(map(count_queries, encoded.values()))
        with progress(total, f"second items {self.model.name}", unit="answer") as bar:
            for items in missing:
                bar.set_postfix_str(items.task)
                result = score_items(items.task, encoded[items.task], scorer, on_batch=bar.update)
                record = {**asdict(result), **self._made_with()}
                scores.put(
                    baseline_key(stage.card, items, stage.plan(items)), canonical_json(record)
                )
        self.forward_passes += scorer.forward_passes

    def _made_with(self) -> dict[str, Any]:
        return {"computed_with": {**software(), "device": str(self.model.device)}}

    def attribute(self, work: Sequence[_Work], store: Store) -> None:
        """Do every piece of work, each into the store as soon as it is done."""
        if not work:
            return
        self._load()
        total = sum(len(piece.items.used) for piece in work)
        with progress(total, f"attribution {self.model.name}", unit="item") as bar:
            for piece in work:
                bar.set_postfix_str(piece.items.label)
                encoded = self._encode(piece.items.items, piece.items.plan)
                used = [encoded[number] for number in piece.items.used]
                found = self._estimate(piece, used, bar.update) if piece.components else {}
                for component, sums in found.items():
                    key = self.stage.key(piece.items, component)
                    store.put(key, self._record(piece.items, sums))
                for component in piece.agreement:
                    payload = self._compare(piece.items, used, component, store)
                    store.put(self.stage.agreement_key(piece.items, component), payload)

    def _attributor(self, components: Sequence[str], estimator: Estimator) -> Any:
        from brodmann.circuits.attribution import Attributor

        return Attributor(
            self.model,
            components=components,
            gradient=self.stage.settings.gradient,
            estimator=estimator,
            batch_tokens=self.study.execution.batch_tokens,
        )

    def _weights(self, items: ItemList) -> np.ndarray:
        """Replicates [halves then bootstraps, items]; none of the second seed's items."""
        if items.second:
            return np.zeros((0, len(items.used)), dtype=np.float32)
        wanted, groups = self.stage.replication, items.groups
        seed = f"{wanted['seed']}/{items.items.digest(items.plan.wording)}"
        return np.concatenate(
            [
                half_weights(groups, wanted["splits"], seed),
                bootstrap_weights(groups, wanted["bootstraps"], seed),
            ]
        )

    def _estimate(self, piece: _Work, used: Sequence[Any], on_items: Any) -> dict[str, Accumulator]:
        """Mean and replicates of every missing component."""
        chosen, task = estimator(self.stage.settings), piece.items.items.task
        weights = self._weights(piece.items)
        sums = {c: Accumulator(weights, self.stage.shape(c)) for c in piece.components}
        attributor = self._attributor(piece.components, chosen)
        for part in attributor.contributions(task, used, on_items=on_items):
            for component, values in part.values.items():
                sums[component].add(part.numbers, values.numpy())
        sums = {c: chosen.refined(attributor, c, found, used) for c, found in sums.items()}
        self.forward_passes += attributor.reader.forward_passes
        return sums

    def _record(self, items: ItemList, sums: Accumulator) -> bytes:
        tensors = {"attribution": sums.mean}
        if not items.second:
            wanted = self.stage.replication
            halves = len(sums.replicates) - wanted["bootstraps"]
            for name, own in (
                ("halves", sums.replicates[:halves]),
                ("bootstraps", sums.replicates[halves:]),
            ):
                tensors |= _strongest_tensors(name, Strongest.of(own, wanted["kept"]))
        facts = {"n_items": sums.n_items, **self._made_with()}
        return pack(tensors, metadata={"facts": json.dumps(facts)})

    def _compare(self, items: ItemList, used: Sequence[Any], component: str, store: Store) -> bytes:
        """Estimates and the truth, of the main mask's units and of random ones."""
        settings, task = self.stage.settings, items.items.task
        record = store.get(self.stage.key(items, component))
        assert record is not None  # put there by this pass or an earlier one
        attribution = unpack(record)["attribution"]
        shape = attribution.shape
        main = Selection(self.study.selection.signs[0], self.study.selection.main)
        strong = select_units(attribution, main).units
        dice = np.random.default_rng([settings.seed, *canonical_json(task)])
        rest = np.setdiff1d(np.arange(attribution.size), strong)
        drawn = dice.choice(rest, size=min(settings.agreement_units, len(rest)), replace=False)
        units = np.concatenate([strong, np.sort(drawn)])
        some = list(used[: settings.agreement_items])
        columns = {"unit": units.astype(np.int64), "in_mask": np.isin(units, strong)}
        for one in compared(settings):
            attributor = self._attributor((component,), one)
            sums = Accumulator(np.zeros((0, len(some)), np.float32), shape)
            for part in attributor.contributions(task, some):
                sums.add(part.numbers, part.values[component].numpy())
            columns[one.name] = sums.mean.reshape(-1)[units]
            self.forward_passes += attributor.reader.forward_passes
        places = [(int(unit) // shape[1], int(unit) % shape[1]) for unit in units]
        attributor = self._attributor((component,), estimator(settings, "patching"))
        effects = attributor.exact_effects(some, component, places)
        self.forward_passes += attributor.reader.forward_passes
        columns["exact"] = effects.mean(0).numpy()
        columns["in_mask"] = columns["in_mask"].astype(np.int8)
        return pack(columns, metadata={"facts": json.dumps({"n_items": len(some)})})


def _strongest_tensors(name: str, strongest: Strongest) -> dict[str, np.ndarray]:
    tensors = {}
    for sign in strongest.units:
        tensors[f"{name}.{sign}.units"] = strongest.units[sign]
        tensors[f"{name}.{sign}.scores"] = strongest.scores[sign]
    return tensors


def strongest_of(tensors: Mapping[str, np.ndarray], name: str, n_units: int) -> Strongest:
    """The inverse of how replicates are stored."""
    signs = ("positive", "negative")
    return Strongest(
        {sign: tensors[f"{name}.{sign}.units"] for sign in signs},
        {sign: tensors[f"{name}.{sign}.scores"] for sign in signs},
        n_units,
    )


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
    """Rule ``attribution``: one task's stored attribution as the files of the results contract.

    An excluded task gets a [0, 0] tensor whose metadata say why.
    """
    stage = Stage(study, model_json)
    items, baseline = read_items(items_file), Baseline.read(baseline_file)
    metadata: dict[str, Any] = {
        "task": items.task,
        "component": component,
        **stage.settings.estimation(),
        "method": METHODS["attribution"],
        "model": stage.card.scoring_identity(),
    }
    own = stage.own_list(items, baseline)
    if own is None:
        metadata["excluded"] = stage.excluded(items, baseline)
        write_tensors(output, {"attribution": np.zeros((0, 0), np.float32)}, metadata)
        write_tensors(replicates, {}, metadata)
        return
    tensors, second, facts = _found(stage, own, component, second_file, manifest)
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
    stage: Stage, own: ItemList, component: str, second_file: str | None, manifest: str
) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, Any]]:
    """(the tensors of a task's own items, the attribution of the second seed's, facts of the first)."""
    folder = Path(manifest).parent
    store = Store(folder / "attribution")
    tensors, facts = _stored(stage, own, component, store, manifest)
    if second_file is None:
        return tensors, None, facts
    second = stage.second_list(read_items(second_file), Store(folder / "baseline"), manifest)
    if second is None:
        return tensors, None, facts
    found, _ = _stored(stage, second, component, store, manifest)
    return tensors, found["attribution"], facts


def _stored(
    stage: Stage, items: ItemList, component: str, store: Store, manifest: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    what = f"the stored attribution of {items.label}"
    payload = store.require(stage.key(items, component), what, manifest)
    return unpack(payload), _facts(payload)


def _facts(payload: bytes) -> dict[str, Any]:
    """The metadata of a packed record."""
    size = int.from_bytes(payload[:8], "little")
    return json.loads(json.loads(payload[8 : 8 + size])["__metadata__"]["facts"])


def write_masks(
    study: Study, *, attribution: str, outputs: Sequence[str], task: str, model: str
) -> None:
    """Rule ``masks``: every selection's mask of one attribution; only a header for an excluded task."""
    values = read_tensor(attribution, "attribution")
    chosen = selections(study.selection.signs, study.selection.percents)
    for selection, output in zip(chosen, outputs, strict=True):
        if values.size:
            mask = select_units(values, selection, f"{model}, {task}")
        else:
            mask = select_units(np.zeros((1, 1), np.float32), selection)
        write_mask(output, mask)
