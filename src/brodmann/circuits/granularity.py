"""Circuits whose units are larger than neurons: scores, and the lesions that they are compared by.

The score of a whole layer is the sum of its neurons' (or heads') attributions. This adds no approximation to
that of the attributions: at first order the effect of patching several activations at once is the sum of
their effects, and a layer's output is a function of its hidden neurons (heads) at the same position alone,
so that patching them all is patching the layer. With integrated gradients the sum is the effect of patching
the whole layer, up to the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from brodmann.circuits.controls import mass_matched, size_matched
from brodmann.circuits.masks import Selection, select_units, strength_of
from brodmann.models.population import Population
from brodmann.sites import LEVELS

# What is silenced: nothing, a task's circuit, or random units beside the target's own circuit.
INTACT, CIRCUIT, SIZE, MASS = "intact", "circuit", "size_matched", "mass_matched"


def scores_at(level: str, attributions: Mapping[str, np.ndarray]) -> np.ndarray:
    """float32 [layers, units of the level], of each component's [layers, units]."""
    parts = [
        attributions[part.component].astype(np.float64).sum(1, keepdims=True)
        if part.whole
        else attributions[part.component]
        for part in LEVELS[level].parts
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Lesioned:
    """One lesion of a target; ``mass``: the share of the target's strength that its units hold."""

    source: str
    condition: str
    trial: int
    units: tuple[int, ...]
    mass: float


@dataclass(frozen=True)
class Grain:
    """All tasks' circuits at one level and size. ``scores``: task -> float32 [layers, units of the level].

    ``there``: the level's units.
    """

    level: str
    selection: Selection
    scores: Mapping[str, np.ndarray]
    there: Population

    def circuit(self, task: str) -> tuple[int, ...]:
        """Flat units, best first."""
        found = select_units(self.scores[task], self.selection, task, len(self.there))
        return tuple(found.units.tolist())

    def lesions(self, model: str, target: str, trials: int, seed: int) -> Iterator[Lesioned]:
        """Every task's circuit, and random units: as many as the target's own has, and as strong ones."""
        scores = self.scores[target]
        strength = strength_of(scores.reshape(-1).astype(np.float64), self.selection.sign)
        whole = float(strength.sum())

        def lesion(source: str, condition: str, trial: int, units: tuple[int, ...]) -> Lesioned:
            held = float(strength[list(units)].sum())
            return Lesioned(source, condition, trial, units, held / whole if whole else 0.0)

        for source in self.scores:
            yield lesion(source, CIRCUIT, 0, self.circuit(source))
        own, name = self.circuit(target), (seed, model, self.level, target)
        for trial in range(1, trials + 1):
            same = size_matched(own, self.there, *name, trial)
            yield lesion(target, SIZE, trial, tuple(same))
        for trial in range(1, trials + 1):
            strong = mass_matched(own, strength, *name, trial)
            yield lesion(target, MASS, trial, tuple(strong))
