"""Ablation stage: one pass per model that measures every lesion, light jobs that make the tables.

A *row of work* is one lesion of one target: its key is made of the target's items, the units and the kind,
so that two sources with the same mask, or a control that is drawn again, are measured once. The pass works
target by target, and block by block of lesions; what is finished is in the store.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.circuits.controls import layer_matched, truly_random
from brodmann.circuits.inclusion import MIN_CONTRAST, Baseline
from brodmann.circuits.masks import Selection, read_mask, selections
from brodmann.circuits.split import effect_items
from brodmann.circuits.stages.attribution import Stage
from brodmann.config.ablation import AblationSettings
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import REBUILD, canonical_json, digest, read_dicts, read_rows
from brodmann.methods import METHODS
from brodmann.models.precision import near_tie
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import PromptPlan
from brodmann.store import ledger
from brodmann.store.progress import progress
from brodmann.store.store import Store
from brodmann.store.tables import write_matrix, write_table
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import TaskItems, read_items

log = logging.getLogger(__name__)

# Lesions that are measured between two writes to the store: what a killed job loses at most.
BLOCK = 32

CONDITIONS = ("intact", "circuit", "layer_matched", "random")
COLUMNS = ("source", "condition", "trial", "n", "k", "accuracy", "drop", "score", "ties")


@dataclass(frozen=True)
class Target:
    """The items of one task on which lesions are measured."""

    items: TaskItems
    plan: PromptPlan
    used: tuple[int, ...]
    clean_baseline: float
    corrupted_baseline: float
    unnormalised: bool

    @classmethod
    def of(cls, stage: Stage, items: TaskItems, baseline: Baseline) -> Target | None:
        """None for an excluded task. With fewer than all used items, baselines are of these alone."""
        if stage.excluded(items, baseline):
            return None
        study = stage.study
        used = effect_items(baseline.used_ids, items.groups, study.tasks.split)
        limit = study.ablation.max_items
        if limit is not None and len(used) > limit:
            dice = Dice("max_items", study.ablation.seed, items.task)
            used = sorted(dice.shuffled(used)[:limit])
        rows = {row["id"]: row for row in baseline.items}
        names = ("answer", "") if baseline.single_answer else ("correct", "incorrect")

        def metric(side: str) -> float:
            values = [
                rows[number][f"{side}_{names[0]}"]
                - (rows[number][f"{side}_{names[1]}"] if names[1] else 0.0)
                for number in used
            ]
            return float(np.mean(values))

        clean, corrupted = metric("clean"), metric("corrupted")
        plain = baseline.unnormalised or not clean - corrupted > MIN_CONTRAST
        return cls(items, stage.plan(items), tuple(used), clean, corrupted, plain)

    def summary(self, scores: np.ndarray, dtype: str) -> dict[str, float]:
        """Accuracy, score and near-ties (by the model's dtype) of float64 [items, names] scores."""
        if scores.shape[1] == 2:
            metric = scores[:, 0] - scores[:, 1]
            margin = metric
        else:
            metric, margin = scores[:, 0], scores[:, 1] - scores[:, 2]
        mean = float(metric.mean())
        contrast = self.clean_baseline - self.corrupted_baseline
        return {
            "n": len(scores),
            "accuracy": float((margin > 0).mean()),
            "score": mean if self.unnormalised else (mean - self.corrupted_baseline) / contrast,
            "ties": int((np.abs(margin) < near_tie(dtype)).sum()),
        }


@dataclass(frozen=True)
class Line:
    """One line of a target's table: which lesion it stands for."""

    source: str
    condition: str
    trial: int
    units: tuple[int, ...]


@dataclass(frozen=True)
class Circuits:
    """All included tasks' masks of one component and selection, as flat units."""

    units: Mapping[str, tuple[int, ...]]
    shape: tuple[int, int]

    def lines(self, model: str, target: str, settings: AblationSettings) -> Iterator[Line]:
        """Intact, every source's circuit with its layer-matched controls, and the random controls."""
        yield Line("", "intact", 0, ())
        for source, units in self.units.items():
            yield Line(source, "circuit", 0, units)
            for trial in range(1, settings.layer_matched_trials + 1):
                seed = (settings.seed, model, source, target, trial)
                drawn, missing = layer_matched(units, self.shape, *seed)
                if missing:
                    log.warning(
                        "%s on %s: %d units short, a layer has too few others",
                        source,
                        target,
                        missing,
                    )
                yield Line(source, "layer_matched", trial, tuple(drawn))
        for count in sorted({len(units) for units in self.units.values()}):
            for trial in range(1, settings.random_trials + 1):
                seed = (settings.seed, model, target, count, trial)
                yield Line("", "random", trial, tuple(truly_random(count, self.shape, *seed)))


@dataclass
class AblationStage:
    """What the jobs of this stage share."""

    study: Study
    stage: Stage
    targets: dict[str, Target | None] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        study: Study,
        model_json: str,
        item_files: Sequence[str],
        baseline_files: Sequence[str],
    ) -> AblationStage:
        """Read the items and baselines of all tasks."""
        stage = Stage(study, model_json)
        targets = {}
        for item_file, baseline_file in zip(item_files, baseline_files, strict=True):
            items = read_items(item_file)
            targets[items.task] = Target.of(stage, items, Baseline.read(baseline_file))
        return cls(study, stage, targets)

    @property
    def included(self) -> list[str]:
        """The tasks that have circuits."""
        return [task for task, target in self.targets.items() if target is not None]

    def circuits(self, folder: str | Path, component: str, selection: Selection) -> Circuits:
        """The masks under ``folder`` (results/{model}/masks)."""
        shape = self.stage.shape(component)
        place = Path(folder) / component / selection.name
        units = {
            task: tuple(read_mask(place / f"{task}.csv", shape[1]).units.tolist())
            for task in self.included
        }
        return Circuits(units, shape)

    def key(self, target: Target, component: str, kind: str, units: Sequence[int]) -> str:
        """Hash of everything that one row of work depends on."""
        return digest(
            {
                "stage": "ablation",
                "method": METHODS["ablation"],
                "model": self.stage.card.scoring_identity(),
                "architecture": self.stage.card.architecture,
                "prompts": asdict(target.plan),
                "items": target.items.digest(target.plan.wording),
                "used": target.used,
                "component": component,
                # Without units nothing is replaced, whatever the kind.
                "kind": kind if units else "intact",
                "units": sorted(units),
            }
        )


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    baseline_files: Sequence[str],
    mask_folder: str,
    manifest: str,
    threads: int,
) -> None:
    """Rule ``ablation_pass``: measure what the store lacks, then write the manifest."""
    this = ledger.Pass(manifest)
    ablation = AblationStage.open(study, model_json, item_files, baseline_files)
    record = WeightsRecord.read(record_file)
    computed: list[str] = []
    loaded: Any = None
    with Store(this.store / "ablation") as store:
        work = list(_missing(ablation, mask_folder, store))
        rows = sum(len(units) * len(target.used) for target, _, _, units in work)
        log.info("%s: %d lesions to measure, %d rows", ablation.stage.card.name, len(work), rows)
        if work:
            loaded = load(study, ablation.stage.card.name, record, threads)
            with progress(rows, f"ablation {loaded.name}", unit="row") as bar:
                for target, component, kind, lesions in work:
                    bar.set_postfix_str(f"{target.items.task} {component} {kind}")
                    _measure(ablation, loaded, target, component, kind, lesions, store, bar.update)
                    computed.append(target.items.task)
        store.consolidate()
    facts = {
        "stage": "ablation",
        "model_loads": int(loaded is not None),
        "computed": sorted(set(computed)),
        "reused": sorted(set(ablation.included) - set(computed)),
        "rows": rows,
        "lesions": sum(len(units) for _, _, _, units in work),
    }
    this.end(ablation.stage.card.name, facts)


_Work = tuple[Target, str, str, list[tuple[int, ...]]]


def _selections(study: Study) -> list[Selection]:
    """The selections that are ablated."""
    return selections(study.selection.signs, study.ablation.percents)


def _missing(ablation: AblationStage, mask_folder: str, store: Store) -> Iterator[_Work]:
    """(target, component, kind, lesions) that the store lacks, target by target."""
    settings = ablation.study.ablation
    model = ablation.stage.card.name
    circuits = {
        component: [
            ablation.circuits(mask_folder, component, selection)
            for selection in _selections(ablation.study)
        ]
        for component in ablation.study.attribution.components
    }
    for task in ablation.included:
        target = ablation.targets[task]
        assert target is not None
        for component, own in circuits.items():
            for kind in settings.kinds:
                wanted = dict.fromkeys(
                    line.units for one in own for line in one.lines(model, task, settings)
                )
                lacking = [
                    units
                    for units in wanted
                    if ablation.key(target, component, kind, units) not in store
                ]
                if lacking:
                    yield target, component, kind, lacking


def _measure(
    ablation: AblationStage,
    model: Any,
    target: Target,
    component: str,
    kind: str,
    lesions: Sequence[tuple[int, ...]],
    store: Store,
    on_rows: Any,
) -> None:
    from brodmann.circuits.ablation import Ablator, Lesion
    from brodmann.runner.encode import Encoder

    study = ablation.study
    encoded = Encoder(model.tokenizer, model.name).encode(target.items, target.plan)
    items = [encoded[number] for number in target.used]
    ablator = Ablator(model, component=component, batch_tokens=study.execution.batch_tokens)
    means = ablator.mean_activations(items) if kind == "mean" else None
    width = ablation.stage.shape(component)[1]
    for start in range(0, len(lesions), BLOCK):
        block = lesions[start : start + BLOCK]
        scores = ablator.scores(
            items, [Lesion.of(units, width) for units in block], kind, means, on_rows
        )
        if not np.isfinite(scores).all():
            number = target.used[int(np.argwhere(~np.isfinite(scores))[0][1])]
            raise UserError.at(
                f"{target.items.task}, item {number}",
                "an ablated log-probability is not finite",
                "the model's weights or dtype are at fault; try dtype: float32",
            )
        made_with = {**software(), "device": str(model.device)}
        store.put_many(
            {
                ablation.key(target, component, kind, units): canonical_json(
                    {"scores": own.tolist(), "computed_with": made_with}
                )
                for units, own in zip(block, scores, strict=True)
            }
        )


# The light jobs


def write_tables(
    study: Study,
    *,
    model_json: str,
    item_files: Sequence[str],
    baseline_files: Sequence[str],
    mask_folder: str,
    manifest: str,
    task: str,
    component: str,
    outputs: Sequence[str],
) -> None:
    """Rule ``ablation``: one target's tables, for each selection and kind, from the store."""
    ablation = AblationStage.open(study, model_json, item_files, baseline_files)
    store = Store(Path(manifest).parent / "ablation")
    target = ablation.targets[task]
    settings = study.ablation
    places = iter(outputs)
    for selection in _selections(ablation.study):
        for kind in settings.kinds:
            rows = []
            if target is not None:
                circuits = ablation.circuits(mask_folder, component, selection)
                lines = circuits.lines(ablation.stage.card.name, task, settings)
                rows = _table(ablation, target, component, kind, lines, store, manifest)
            write_table(next(places), rows, COLUMNS)


def _table(
    ablation: AblationStage,
    target: Target,
    component: str,
    kind: str,
    lines: Iterator[Line],
    store: Store,
    manifest: str,
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    intact = 0.0
    for line in lines:
        key = ablation.key(target, component, kind, line.units)
        payload = store.require(key, f"a stored ablation of {target.items.task}", manifest)
        found = target.summary(np.array(json.loads(payload)["scores"]), ablation.stage.card.dtype)
        if line.condition == "intact":
            intact = found["accuracy"]
        rows.append(
            {
                "source": line.source,
                "condition": line.condition,
                "trial": line.trial,
                "k": len(line.units),
                **found,
                "drop": intact - found["accuracy"],
            }
        )
    return rows


def gather(
    tables: Mapping[str, str], included: Sequence[str], value: str
) -> dict[str, dict[str, float]]:
    """source -> target -> ``value`` of the circuits, from the targets' tables (task -> file)."""
    found: dict[str, dict[str, float]] = {source: {} for source in included}
    for target in included:
        path = tables[target]
        for row in read_dicts(path, COLUMNS):
            if row["condition"] != "circuit":
                continue
            try:
                found[row["source"]][target] = float(row[value])
            except (KeyError, ValueError):
                what = f"a line of '{row['source'][:40]}' cannot be read"
                raise UserError.at(path, what, REBUILD) from None
        if missing := [source for source in included if target not in found[source]]:
            raise UserError.at(path, f"the circuit of {missing[0]} is not in it", REBUILD)
    return found


def write_matrices(
    study: Study,
    *,
    tasks: Sequence[str],
    folder: str,
    outputs: Mapping[str, str],
) -> None:
    """Rule ``ablation_matrices``: the gathered matrices; ``outputs``: ``{sel}.{kind}.{value}`` -> file."""
    import pandas as pd

    for name, output in outputs.items():
        stem, _, value = name.rpartition(".")
        selection, _, kind = stem.rpartition(".")
        files = {task: f"{folder}/{selection}/{kind}/{task}.csv" for task in tasks}
        # Tables of excluded tasks have a header only.
        included = [task for task, file in files.items() if _has_rows(file)]
        column = {"accuracy_drop": "drop", "score": "score"}[value]
        matrix = gather(files, included, column)
        table = pd.DataFrame.from_dict(matrix, orient="index").reindex(
            index=included, columns=included
        )
        write_matrix(output, table)


def _has_rows(file: str) -> bool:
    return len(read_rows(file)) > 1
