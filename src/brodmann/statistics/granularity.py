"""Are circuits as specific when their units are larger? What lesions cost, by level, with resampled tasks.

Groups of lesions: a task's own circuit; those of other tasks of its domain (*within*) and of other domains
(*across*); random units, as many as the own circuit has (*size_matched*) or as strong (*mass_matched*).
Intervals are percentiles over tasks drawn with replacement; the same draws for all levels of a model, so that
two levels are compared on the same tasks. Of a draw without any cost across domains a ratio is infinite;
where the upper end would be one of these, there is no interval. Nor is there one of a single task, or of a
single pair of tasks: these are the same in every draw that has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brodmann.circuits.granularity import CIRCUIT, MASS, SIZE
from brodmann.significance.intervals import LEVEL, interval
from brodmann.tasks.catalogue import domain_of

OWN, WITHIN, ACROSS = "own", "within", "across"
GROUPS = (OWN, WITHIN, ACROSS, SIZE, MASS)


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
    def n(self) -> int:
        """Tasks whose costs are known."""
        return int(np.isfinite(np.diag(self.matrix)).sum())

    @property
    def domains(self) -> list[str]:
        """Of each task."""
        return [domain_of(task) for task in self.tasks]

    def means(self, drawn: np.ndarray) -> dict[str, np.ndarray]:
        """Group -> mean [draws] over its lesions; ``drawn`` [draws, tasks]: how often each task counts."""
        return {
            OWN: _weighted(drawn, np.diag(self.matrix)),
            WITHIN: _paired(drawn, self.matrix, self._pairs[WITHIN]),
            ACROSS: _paired(drawn, self.matrix, self._pairs[ACROSS]),
            **{name: _weighted(drawn, own) for name, own in self.controls.items()},
        }

    @property
    def several(self) -> dict[str, bool]:
        """Group -> whether it has the costs of two tasks, in two pairs of tasks if it is of pairs."""
        found = {}
        for name, which in self._pairs.items():
            known = which & np.isfinite(self.matrix)
            pairs, targets = np.triu(known | known.T).sum(), known.any(0).sum()
            found[name] = bool(min(pairs, targets) > 1)
        each = {OWN: np.diag(self.matrix), **self.controls}
        return found | {name: bool(np.isfinite(own).sum() > 1) for name, own in each.items()}

    @property
    def _pairs(self) -> dict[str, np.ndarray]:
        """WITHIN and ACROSS -> which cells they are."""
        names = np.array(self.domains)
        same, pairs = names[:, None] == names[None, :], ~np.eye(len(names), dtype=bool)
        return {WITHIN: pairs & same, ACROSS: pairs & ~same}


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
    def of(cls, values: np.ndarray) -> Estimate:
        """``values``: the estimate, then replicates."""
        return cls(float(values[0]), *interval(values[1:]))

    @classmethod
    def of_ratio(cls, values: np.ndarray) -> Estimate:
        """The same of ratios, as ``_ratio`` gives them; what is not known may be as large as any."""
        value = float(values[0]) if np.isfinite(values[0]) else float("nan")
        known = np.sort(np.where(np.isnan(values[1:]), np.inf, values[1:]))
        # The upper end lies between two places; this is the higher one.
        place = int(np.ceil((1 + LEVEL) / 2 * (len(known) - 1)))
        if not len(known) or not np.isfinite(known[place]):
            return cls(value)
        return cls(value, *interval(np.minimum(known, known[place])))


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
        return Estimate.of_ratio(_ratio(self.ratios, other.ratios))


def specificity(costs: Costs, drawn: np.ndarray) -> Specificity:
    """``drawn`` [draws, tasks]: of ``resampling.times_drawn``."""
    means = costs.means(np.concatenate([np.ones((1, len(costs.tasks))), drawn]))
    for name, several in costs.several.items():
        if not several:
            means[name][1:] = np.nan
    ratios = _ratio(means[WITHIN], means[ACROSS])
    return Specificity(
        {name: Estimate.of(means[name]) for name in GROUPS},
        Estimate.of(means[WITHIN] - means[ACROSS]),
        Estimate.of_ratio(ratios),
        Estimate.of_ratio(_ratio(means[OWN], means[ACROSS])),
        ratios,
    )


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Infinite where there is nothing to divide by; two infinite ones have no ratio (NaN)."""
    with np.errstate(invalid="ignore"):
        ratio: np.ndarray = np.divide(
            first, second, out=np.full(len(first), np.inf), where=second > 0
        )
    return ratio


def labelled(estimates: Sequence[tuple[str, Estimate]]) -> dict[str, float]:
    """Columns NAME, NAME_low, NAME_high of a table."""
    return {
        f"{name}{end}": value
        for name, one in estimates
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
    }
