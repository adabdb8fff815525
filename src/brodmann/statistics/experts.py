"""Do modules live in experts? Where circuits lie among the experts of a mixture, held against other experts.

A task's profile says how many neurons its circuit has in each expert of each layer; two profiles are as
similar as the cosine of them. *Similarity* is their mean within domains less that across. *Concentration* is
the chance that two neurons of a circuit that lie in one layer lie in one expert, mean over tasks.

Null: the neurons of a layer are dealt out to its experts anew, of all tasks at once. What tasks share of
neurons, and of layers, stays as it is; only the borders of the experts are others. One-sided,
p = (1 + deals that reach it) / (1 + deals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from brodmann.statistics.resampling import p_value

SIMILARITY, CONCENTRATION = "similarity", "concentration"


@dataclass(frozen=True)
class Mixture:
    """``count`` experts of ``neurons`` each, in some ``layers``: what a model's card says."""

    count: int
    neurons: int
    layers: tuple[int, ...]

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Mixture:
        """Of ``ModelCard.experts``."""
        return cls(int(said["count"]), int(said["neurons"]), tuple(said["layers"]))  # type: ignore[call-overload, arg-type]

    @property
    def width(self) -> int:
        """Neurons of a layer that are experts'."""
        return self.count * self.neurons


@dataclass(frozen=True)
class Found:
    """A statistic: what was ``observed``, the mean of its ``null``, and how often that reaches it."""

    observed: float
    null: float
    p: float


@dataclass(frozen=True)
class Profiles:
    """Circuits among experts. ``layers``, ``units`` int [n]: all neurons of experts that any circuit has,
    once, by layer. ``members`` bool [tasks, n]: which a circuit has. ``domains``: of the tasks."""

    mixture: Mixture
    layers: np.ndarray
    units: np.ndarray
    members: np.ndarray
    domains: tuple[str, ...]

    @classmethod
    def of(
        cls, mixture: Mixture, circuits: Sequence[np.ndarray], domains: Sequence[str]
    ) -> Profiles:
        """``circuits``: int [units, 2] of each task, (layer, unit)."""
        there = np.array(mixture.layers, dtype=int)
        own = [one[np.isin(one[:, 0], there) & (one[:, 1] < mixture.width)] for one in circuits]
        every = np.unique(np.concatenate([np.zeros((0, 2), dtype=int), *own]), axis=0)
        flat = every @ [mixture.width, 1]
        members = [np.isin(flat, one @ [mixture.width, 1]) for one in own]
        whole = np.array(members, dtype=bool).reshape(len(own), len(flat))
        return cls(mixture, every[:, 0], every[:, 1], whole, tuple(domains))

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """The neurons of each layer, as a range."""
        starts = np.flatnonzero(np.diff(self.layers, prepend=-1))
        return list(pairwise([*starts.tolist(), len(self.layers)]))

    @cached_property
    def _listed(self) -> tuple[np.ndarray, np.ndarray]:
        """(task, neuron) of every membership."""
        return np.nonzero(self.members)  # type: ignore[return-value]

    def counts(self, experts: np.ndarray) -> np.ndarray:
        """float [tasks, layers, experts]: neurons of each circuit, if neuron n belongs to ``experts[n]``."""
        task, neuron = self._listed
        depth = np.searchsorted(np.unique(self.layers), self.layers)
        shape = (len(self.members), len(self._spans), self.mixture.count)
        cells = np.ravel_multi_index((task, depth[neuron], experts[neuron]), shape)
        found = np.bincount(cells, minlength=int(np.prod(shape))).astype(float)
        return found.reshape(shape)

    @property
    def own(self) -> np.ndarray:
        """Whose every neuron is."""
        return self.units // self.mixture.neurons

    def dealt(self, dice: np.random.Generator) -> np.ndarray:
        """Whose it is where the neurons of each layer are dealt out anew."""
        places = [
            dice.choice(self.mixture.width, end - start, replace=False)
            for start, end in self._spans
        ]
        return np.concatenate([np.zeros(0, dtype=int), *places]) // self.mixture.neurons

    def within_and_across(self, counts: np.ndarray) -> tuple[float, float]:
        """Mean similarity of tasks of one domain, and of two, of those that have a neuron in experts."""
        flat = counts.reshape(len(counts), int(np.prod(counts.shape[1:])))
        length = np.linalg.norm(flat, axis=1)
        some = length > 0
        unit = flat[some] / length[some, None]
        alike, names = unit @ unit.T, np.array(self.domains)[some]
        upper = np.triu(np.ones(alike.shape, dtype=bool), 1)
        same = names[:, None] == names[None, :]
        parts = (alike[upper & same], alike[upper & ~same])
        within, across = (float(part.mean()) if part.size else float("nan") for part in parts)
        return within, across

    def tested(self, permutations: int, seed: int) -> dict[str, Found]:
        """Both statistics against experts that are dealt out anew."""
        dice = np.random.default_rng(seed)
        observed = self._statistics(self.own)
        drawn = np.array([self._statistics(self.dealt(dice)) for _ in range(permutations)])
        p = p_value(drawn, observed)
        return {
            name: Found(float(observed[n]), float(drawn[:, n].mean()), float(p[n]))
            for n, name in enumerate((SIMILARITY, CONCENTRATION))
        }

    def _statistics(self, experts: np.ndarray) -> np.ndarray:
        counts = self.counts(experts)
        within, across = self.within_and_across(counts)
        return np.array([within - across, concentration(counts)])


def concentration(counts: np.ndarray) -> float:
    """Of counts [tasks, layers, experts]: see above; NaN where no circuit has two neurons in a layer."""
    of_layer = counts.sum(2)
    pairs = (of_layer * (of_layer - 1)).sum(1)
    same = (counts * (counts - 1)).sum((1, 2))
    some = pairs > 0
    return float((same[some] / pairs[some]).mean()) if some.any() else float("nan")
