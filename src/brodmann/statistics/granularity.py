"""Are circuits as specific when their units are larger? What lesions cost, by level, with resampled tasks.

Groups of lesions: a task's own circuit; those of other tasks of its domain (*within*) and of other domains
(*across*); random units, as many as the own circuit has (*size_matched*) or as strong (*mass_matched*).
Intervals are percentiles over tasks drawn with replacement; the same draws for all levels of a model, so that
two levels are compared on the same tasks. A ratio has an interval where nearly all draws have a cost across
domains above 0: else it could be anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.granularity import CIRCUIT, MASS, SIZE
from brodmann.significance.intervals import interval
from brodmann.tasks.catalogue import domain_of

OWN, WITHIN, ACROSS = "own", "within", "across"
GROUPS = (OWN, WITHIN, ACROSS, SIZE, MASS)
# Share of the draws in which a ratio must be defined.
_DEFINED = 0.95


@dataclass(frozen=True)
class Costs:
    """What lesions cost at one level and size.

    ``matrix`` [sources, targets]; ``controls``: SIZE and MASS -> [targets].
    """

    tasks: tuple[str, ...]
    matrix: np.ndarray
    controls: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, lesions: pd.DataFrame, column: str) -> Costs:
        """Of a model's lesions at one level and size; trials averaged."""
        tasks = tuple(dict.fromkeys(lesions["target"]))
        circuits = lesions[lesions["condition"] == CIRCUIT]
        wide = circuits.pivot(index="source", columns="target", values=column)
        matrix = wide.reindex(index=tasks, columns=tasks).to_numpy(dtype=float)
        controls = {}
        for name in (SIZE, MASS):
            own = lesions[lesions["condition"] == name].groupby("target")[column].mean()
            controls[name] = own.reindex(tasks).to_numpy(dtype=float)
        return cls(tasks, matrix, controls)

    @property
    def domains(self) -> list[str]:
        """Of each task."""
        return [domain_of(task) for task in self.tasks]

    def means(self, drawn: np.ndarray) -> dict[str, np.ndarray]:
        """Group -> mean [draws] over its lesions; ``drawn`` [draws, tasks]: how often each task counts."""
        names = np.array(self.domains)
        same, pairs = names[:, None] == names[None, :], ~np.eye(len(names), dtype=bool)
        return {
            OWN: _weighted(drawn, np.diag(self.matrix)),
            WITHIN: _paired(drawn, self.matrix, pairs & same),
            ACROSS: _paired(drawn, self.matrix, pairs & ~same),
            **{name: _weighted(drawn, own) for name, own in self.controls.items()},
        }


def _weighted(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    there = np.isfinite(values)
    return _over(drawn @ np.where(there, values, 0.0), drawn @ there.astype(float))


def _paired(drawn: np.ndarray, values: np.ndarray, which: np.ndarray) -> np.ndarray:
    there = which & np.isfinite(values)
    total, number = (
        ((drawn @ cells) * drawn).sum(1)
        for cells in (np.where(there, values, 0.0), there.astype(float))
    )
    return _over(total, number)


def _over(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    means: np.ndarray = np.divide(total, number, out=np.full(len(number), np.nan), where=number > 0)
    return means


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over resampled tasks."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    @classmethod
    def of(cls, values: np.ndarray, *, mostly: bool = False) -> Estimate:
        """``values``: the estimate, then replicates. ``mostly``: only if nearly all of these are defined."""
        replicates = values[1:]
        if mostly and np.isfinite(replicates).mean() < _DEFINED:
            return cls(float(values[0]))
        return cls(float(values[0]), *interval(replicates))


@dataclass(frozen=True)
class Specificity:
    """How specific lesions are at one level and size. ``ratios``: the estimate, then its replicates."""

    groups: Mapping[str, Estimate]
    difference: Estimate  # within - across
    ratio: Estimate  # within / across
    own_ratio: Estimate  # own / across
    ratios: np.ndarray

    def over(self, other: Specificity) -> Estimate:
        """How many times as large its ratio is as another level's, on the same draws."""
        return Estimate.of(_ratio(self.ratios, other.ratios), mostly=True)


def specificity(costs: Costs, drawn: np.ndarray) -> Specificity:
    """``drawn`` [draws, tasks]: of ``resampling.times_drawn``."""
    means = costs.means(np.concatenate([np.ones((1, len(costs.tasks))), drawn]))
    ratios = _ratio(means[WITHIN], means[ACROSS])
    return Specificity(
        {name: Estimate.of(means[name]) for name in GROUPS},
        Estimate.of(means[WITHIN] - means[ACROSS]),
        Estimate.of(ratios, mostly=True),
        Estimate.of(_ratio(means[OWN], means[ACROSS]), mostly=True),
        ratios,
    )


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    ratio: np.ndarray = np.divide(first, second, out=np.full(len(first), np.nan), where=second > 0)
    return ratio


def labelled(estimates: Sequence[tuple[str, Estimate]]) -> dict[str, float]:
    """Columns NAME, NAME_low, NAME_high of a table."""
    return {
        f"{name}{end}": value
        for name, one in estimates
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
    }
