"""Granularity stage: circuits of larger units on every task. Its lesions are made by the ablation pass.

Keys are those of ablations, with the level in the component's place: what an ablation of neurons or heads has
measured already is found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brodmann.circuits.granularity import INTACT, Grain, Lesioned, scores_at
from brodmann.circuits.masks import Selection
from brodmann.circuits.stages.ablation import AblationStage
from brodmann.circuits.stages.effects import EffectTarget
from brodmann.circuits.stages.files import TaskFiles
from brodmann.config.study import Study
from brodmann.models.used_sites import refuse_layers_of_experts
from brodmann.sites import LEVELS
from brodmann.store.tables import write_table
from brodmann.store.tensors import read_tensor
from brodmann.store.work import Records, Work

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench

LESIONS = (
    *("level", "percent", "target", "source", "condition", "trial", "n", "k", "mass"),
    *("accuracy", "drop", "score", "score_drop", "ties"),
)
CIRCUITS = ("level", "percent", "task", "layer", "unit", "part", "score")


@dataclass(frozen=True)
class GranularityStage:
    """What the pass and the light job share. ``attributions``: results/{model}/attribution."""

    ablation: AblationStage
    attributions: str

    @property
    def study(self) -> Study:
        """Whose granularity it is."""
        return self.ablation.study

    @property
    def kind(self) -> str:
        """What silenced units are set to."""
        return self.study.ablation.kinds[0]

    def grains(self) -> Iterator[Grain]:
        """Level by level, size by size."""
        sign, card = self.study.selection.signs[0], self.ablation.stage.card
        refuse_layers_of_experts(self.study, card.name, card.experts)
        found = self._attributions()
        for level in self.study.granularity.levels:
            scores = {task: scores_at(level, own) for task, own in found.items()}
            there = self.ablation.stage.population(level)
            for percent in getattr(self.study.granularity.percents, level):
                yield Grain(level, Selection(sign, percent), scores, there)

    def _attributions(self) -> dict[str, dict[str, np.ndarray]]:
        """Task -> component -> [layers, units], of the included tasks."""
        levels = self.study.granularity.levels
        components = dict.fromkeys(c for level in levels for c in LEVELS[level].components)
        return {
            task: {
                one: read_tensor(Path(self.attributions, one, f"{task}.safetensors"), "attribution")
                for one in components
            }
            for task in self.ablation.included
        }

    def lesions(self, grain: Grain, task: str) -> Iterator[Lesioned]:
        """All that a target is measured under."""
        settings, model = self.study.ablation, self.ablation.stage.card.name
        return grain.lesions(model, task, settings.random_trials, settings.seed)

    def target(self, task: str) -> EffectTarget:
        """The items of an included task."""
        found = self.ablation.targets[task]
        assert found is not None
        return found

    def works(self) -> Iterator[Work[Bench]]:
        """For the ablation pass; the intact model is measured there already."""
        grains = list(self.grains())
        for task in self.ablation.included:
            for level in self.study.granularity.levels:
                wanted = dict.fromkeys(
                    lesion.units
                    for grain in grains
                    if grain.level == level
                    for lesion in self.lesions(grain, task)
                    if lesion.units
                )
                yield self.ablation.work(self.target(task), level, self.kind, wanted)


def write_granularity(
    study: Study,
    *,
    files: TaskFiles,
    manifest: str,
    lesions: str,
    circuits: str,
) -> None:
    """Rule ``granularity``: every lesion of every target, and the circuits of every level."""
    ablation = AblationStage.open(study, files)
    stage = GranularityStage(ablation, files.attributions)
    records = Records(manifest, "ablation")
    rows: list[dict[str, object]] = []
    units: list[dict[str, object]] = []
    for grain in stage.grains():
        shared = {"level": grain.level, "percent": grain.selection.percent}
        for task in ablation.included:
            units += [{**shared, "task": task, **row} for row in _circuit(grain, task, ablation)]
            rows += [
                {**shared, "target": task, **row} for row in _lesions(stage, grain, task, records)
            ]
    write_table(lesions, rows, LESIONS)
    write_table(circuits, units, CIRCUITS)


def _lesions(
    stage: GranularityStage, grain: Grain, task: str, records: Records
) -> Iterator[dict[str, object]]:
    ablation, target = stage.ablation, stage.target(task)
    # A record of any component's ablation: without units nothing is replaced.
    component = stage.study.attribution.components[0]
    intact = ablation.measured(target, component, stage.kind, (), records)
    nothing = Lesioned("", INTACT, 0, (), 0.0)
    for lesion in (nothing, *stage.lesions(grain, task)):
        found = intact
        if lesion.units:
            found = ablation.measured(target, grain.level, stage.kind, lesion.units, records)
        yield {
            "source": lesion.source,
            "condition": lesion.condition,
            "trial": lesion.trial,
            "k": len(lesion.units),
            "mass": lesion.mass,
            **found,
            "drop": intact["accuracy"] - found["accuracy"],
            # Undivided metrics are no shares, and must not be averaged with any.
            "score_drop": np.nan if target.unnormalised else intact["score"] - found["score"],
        }


def _circuit(grain: Grain, task: str, ablation: AblationStage) -> Iterator[dict[str, object]]:
    """A row per unit; ``unit`` is its number in the layer, empty where the layer is one unit."""
    width, scores = grain.scores[task].shape[1], grain.scores[task].reshape(-1)
    card = ablation.stage.card
    for unit in grain.circuit(task):
        layer, place = divmod(unit, width)
        for part in LEVELS[grain.level].parts:
            count = 1 if part.whole else card.units(part.component)
            if place < count:
                break
            place -= count
        number = "" if part.whole else place
        row = {"layer": layer, "unit": number, "part": part.site, "score": float(scores[unit])}
        yield row
