"""Ablation stage: one pass per model that measures every lesion, light jobs that make the tables.

A *row of work* is one lesion of one target: its key is made of the target's items, the units and the kind,
so that two sources with the same mask, or a control that is drawn again, are measured once. The pass works
target by target, and block by block of lesions; what is finished is in the store.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.circuits.controls import layer_matched, truly_random
from brodmann.circuits.masks import Selection, read_mask, selections
from brodmann.circuits.stages.activity import Activity, activity_works, read_activity
from brodmann.circuits.stages.attribution import Stage
from brodmann.circuits.stages.effects import EffectTarget, lesion_work
from brodmann.circuits.stages.files import TaskFiles
from brodmann.config.ablation import HELD, AblationSettings
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import REBUILD, digest, read_dicts, read_rows
from brodmann.methods import METHODS
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.runner.matched import activation_matched
from brodmann.runner.unit_tokens import in_turn, pairs, tokens_work
from brodmann.sites import COMPONENTS, OF_MIXTURES
from brodmann.store.shares import WHOLE, Share
from brodmann.store.tables import write_matrix, write_table
from brodmann.store.work import Pass, Reads, Records, Work

log = logging.getLogger(__name__)

COLUMNS = ("source", "condition", "trial", "n", "k", "accuracy", "drop", "score", "ties")
# More of it where there are controls that are matched in activation.
ACTIVATION = "activation"


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
    there: Population

    def lines(
        self, model: str, target: str, settings: AblationSettings, activity: Activity | None = None
    ) -> Iterator[Line]:
        """Intact, every source's circuit with its matched controls, and the random controls.

        ``activity``: of units on the target, where controls are matched in it.
        """
        yield Line("", "intact", 0, ())
        for source, units in self.units.items():
            yield Line(source, "circuit", 0, units)
            for trial in range(1, settings.layer_matched_trials + 1):
                seed: tuple[int | str, ...] = (settings.seed, model, source, target, trial)
                drawn, missing = layer_matched(units, self.there, *seed)
                if missing:
                    log.warning(
                        "%s on %s: %d units short, a layer has too few others",
                        source,
                        target,
                        missing,
                    )
                yield Line(source, "layer_matched", trial, tuple(drawn))
            for trial in range(1, settings.activation_matched_trials + 1):
                assert activity is not None
                seed = (settings.seed, model, source, target, trial)
                drawn, _ = activation_matched(
                    units, activity.levels, *seed, without=self.there.absent
                )
                yield Line(source, "activation_matched", trial, tuple(drawn))
        for count in sorted({len(units) for units in self.units.values()}):
            for trial in range(1, settings.random_trials + 1):
                seed = (settings.seed, model, target, count, trial)
                yield Line("", "random", trial, tuple(truly_random(count, self.there, *seed)))


@dataclass
class AblationStage:
    """What the jobs of this stage share."""

    study: Study
    stage: Stage
    targets: dict[str, EffectTarget | None] = field(default_factory=dict)

    @classmethod
    def open(cls, study: Study, files: TaskFiles) -> AblationStage:
        """Read the items and baselines of all tasks."""
        stage = Stage(study, files.model_json)
        targets = {items.task: EffectTarget.of(stage, items, found) for items, found in files}
        return cls(study, stage, targets)

    @property
    def included(self) -> list[str]:
        """The tasks that have circuits."""
        return [task for task, target in self.targets.items() if target is not None]

    def circuits(self, folder: str | Path, component: str, selection: Selection) -> Circuits:
        """The masks under ``folder`` (results/{model}/masks)."""
        there = self.stage.population(component)
        place = Path(folder) / component / selection.name
        origin = self.stage.card.origin(COMPONENTS[component])
        units = {
            task: tuple(read_mask(place / f"{task}.csv", there.width, origin).units.tolist())
            for task in self.included
        }
        return Circuits(units, there)

    def page_works(self, folder: str | Path) -> Iterator[Work[Bench]]:
        """The tokens that units of circuits of the first size promote, where units have pages."""
        asked = self.study.atlas
        if not (asked.on and asked.tokens):
            return
        found = {}
        for component in self.study.attribution.components:
            if component in OF_MIXTURES:  # an expert has no direction of its own
                continue
            own = self.circuits(folder, component, _selections(self.study)[0])
            lists = [pairs(units, own.there.width) for units in own.units.values()]
            found[COMPONENTS[component]] = in_turn(lists)[: asked.units]
        yield tokens_work(self.stage.card, found, {}, asked.tokens)

    def activity_works(self) -> Iterator[Work[Bench]]:
        """What must be there before lesions can be named."""
        wanted = {task: target for task, target in self.targets.items() if target is not None}
        return activity_works(self.stage, wanted)

    def works(self, mask_folder: str | Path, records: Reads | None = None) -> Iterator[Work[Bench]]:
        """All lesions, target by target; the intact model, equal under every kind, is run for the first.

        ``records``: those of ``activity_works``, if there are any.
        """
        settings, model = self.study.ablation, self.stage.card.name
        circuits = {
            component: [
                self.circuits(mask_folder, component, selection)
                for selection in _selections(self.study)
            ]
            for component in self.study.attribution.components
        }
        for task in self.included:
            target = self.targets[task]
            assert target is not None
            for component, own in circuits.items():
                active = read_activity(self.stage, records, task, component)
                wanted = dict.fromkeys(
                    line.units for one in own for line in one.lines(model, task, settings, active)
                )
                for kind in settings.kinds:
                    yield self.work(target, component, kind, wanted)

    def work(
        self,
        target: EffectTarget,
        component: str,
        kind: str,
        lesions: Iterable[tuple[int, ...]],
    ) -> Work[Bench]:
        """All lesions of one kind that a target is measured under, each named by its units."""
        width = self.stage.shape(component)[1]

        def lesion_of(units: tuple[int, ...]) -> Any:
            from brodmann.circuits.lesions import Lesion

            return Lesion.of(units, width)

        keys = {units: self.key(target, component, kind, units) for units in lesions}
        held = self.routes_held(component)
        return lesion_work(target, component, kind, keys, lesion_of, routes_held=held)

    def routes_held(self, component: str) -> bool:
        """Whether a mixture's tokens keep their experts under a lesion: not where routers are lesioned."""
        held = self.study.ablation.routing == HELD and component != "router"
        return held and self.stage.card.experts is not None

    def key(self, target: EffectTarget, component: str, kind: str, units: Sequence[int]) -> str:
        """Hash of everything that one row of work depends on."""
        return digest(
            {
                "stage": "ablation",
                "method": METHODS["ablation"],
                "model": self.stage.card.scoring_identity(),
                "architecture": self.stage.card.architecture,
                **target.inputs,
                "component": component,
                # Without units nothing is replaced, whatever the kind.
                "kind": kind if units else "intact",
                "units": sorted(units),
                **({"routing": HELD} if units and self.routes_held(component) else {}),
            }
        )

    def measured(
        self,
        target: EffectTarget,
        component: str,
        kind: str,
        units: Sequence[int],
        records: Records,
    ) -> dict[str, float]:
        """What a stored lesion cost (``EffectTarget.summary``)."""
        key = self.key(target, component, kind, units)
        payload = records.at(key, f"a stored ablation of {target.task}")
        return target.summary(np.array(json.loads(payload)["scores"]), self.stage.card.dtype)


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
    attribution_folder: str = "",
    share: Share = WHOLE,
) -> None:
    """Rule ``ablation_pass``: measure what the store lacks, then write the manifest."""
    from brodmann.circuits.stages import units
    from brodmann.circuits.stages.granularity import GranularityStage

    ablation = AblationStage.open(study, TaskFiles(model_json, item_files, baseline_files))
    name = ablation.stage.card.name
    load = Bench.opener(study, name, record_file, threads)
    with Pass("ablation", name, manifest, load, share) as this:
        this.make(ablation.activity_works(), dealt=False)
        if share.prepares:
            return
        if units.NEURONS in study.attribution.components:
            main = ablation.circuits(mask_folder, units.NEURONS, _selections(study)[0])
            this.make(units.works(ablation.stage.card, main))
        if (
            name not in study.network_models
        ):  # else the pass over the use of its networks makes them
            this.make(ablation.page_works(mask_folder))
        # A list of all records would be as long as all tables, in which each light job has one line to find.
        works = [
            *ablation.works(mask_folder, this),
            *GranularityStage(ablation, attribution_folder).works(),
        ]
        done = this.make(works, bar="ablation", unit="row", listed=False)
        this.note(
            lesions=sum(len(one.names) for one in done),
            rows=sum(one.steps(this.bench) for one in done),
        )


def _selections(study: Study) -> list[Selection]:
    """The selections that are ablated."""
    return selections(study.selection.signs, study.ablation.percents or ())


# The light jobs


def write_tables(
    study: Study,
    *,
    files: TaskFiles,
    mask_folder: str,
    manifest: str,
    component: str,
    outputs: Sequence[str],
) -> None:
    """Rule ``ablation``: every target's table, for each selection and kind, from the store."""
    ablation = AblationStage.open(study, files)
    records = Records(manifest, "ablation")
    settings = study.ablation
    columns = (*COLUMNS, *((ACTIVATION,) if settings.activation_matched_trials else ()))
    places = iter(outputs)
    for selection in _selections(ablation.study):
        circuits = ablation.circuits(mask_folder, component, selection)
        for kind, (task, target) in product(settings.kinds, ablation.targets.items()):
            rows = []
            if target is not None:
                active = read_activity(ablation.stage, records, task, component)
                lines = circuits.lines(ablation.stage.card.name, task, settings, active)
                rows = _table(ablation, target, component, kind, lines, records, active)
            write_table(next(places), rows, columns)


def _table(
    ablation: AblationStage,
    target: EffectTarget,
    component: str,
    kind: str,
    lines: Iterator[Line],
    records: Records,
    activity: Activity | None,
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    intact = 0.0
    for line in lines:
        found = ablation.measured(target, component, kind, line.units, records)
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
                **({} if activity is None else {ACTIVATION: activity.mean(line.units)}),
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
