"""How active units are on a target's prompts: what random controls are matched in (``runner.matched``).

One small record for each target and kind of unit, which the ablation pass makes before it names its lesions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from brodmann.circuits.stages.attribution import Stage
from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.runner.bench import Bench
from brodmann.runner.matched import levels_of
from brodmann.runner.target import Target
from brodmann.sites import COMPONENTS
from brodmann.store.work import Reads, Work


@dataclass(frozen=True)
class Activity:
    """``values`` float64 [layers, units]: of each unit's absolute activation the mean over a target's clean
    prompts, at every position, items alike; of a head, also over its dimensions."""

    values: np.ndarray

    @cached_property
    def levels(self) -> np.ndarray:
        """See ``runner.matched``."""
        return levels_of(self.values)

    def mean(self, units: Sequence[int]) -> float:
        """Over flat units; NaN over none."""
        own = self.values.reshape(-1)[list(units)]
        return float(own.mean()) if len(own) else float("nan")


def activity_works(stage: Stage, targets: Mapping[str, Target]) -> Iterator[Work[Bench]]:
    """Every record that a study's controls need; none without such controls."""
    if not stage.study.ablation.activation_matched_trials:
        return
    for task, target in targets.items():
        for component in stage.study.attribution.components:
            key = digest(
                {
                    "stage": "activations",
                    "method": METHODS["activations"],
                    "model": stage.card.identity(),
                    "units": stage.card.architecture,
                    **target.inputs,
                    "component": component,
                }
            )
            compute = partial(_measured, target=target, component=component)
            yield Work.one(_name(task, component), key, compute, cost=target.characters.all)


def read_activity(
    stage: Stage, records: Reads | None, task: str, component: str
) -> Activity | None:
    """The record of a target; None where no control needs it."""
    from safetensors.numpy import load

    if not stage.study.ablation.activation_matched_trials:
        return None
    assert records is not None
    name = _name(task, component)
    return Activity(load(records.get(name, f"the stored {name}"))["activations"])


def _name(task: str, component: str) -> str:
    return f"activations of {component} on {task}"


def _measured(bench: Bench, target: Target, component: str) -> bytes:
    from safetensors.numpy import save

    from brodmann.circuits.ablation import Ablator

    ablator = Ablator(bench.model, component=component, engine=bench.engine)
    found = ablator.mean_activations(bench.encoded(target), absolute=True)
    if (size := bench.model.unit_size(COMPONENTS[component])) > 1:
        found = found.reshape(len(found), -1, size).mean(-1)
    facts = {"facts": json.dumps({"computed_with": bench.made_with})}
    return save({"activations": np.ascontiguousarray(found)}, metadata=facts)
