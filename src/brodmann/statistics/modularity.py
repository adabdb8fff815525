"""Is a domain's structure its own? Means within and across domains, tested by shuffling the labels.

The statistic is mean(within) - mean(cross) over finite off-diagonal cells, both directions. Under the null
hypothesis a task's domain says nothing, so the label vector is permuted: p = (1 + #{null >= observed}) /
(1 + n), one-sided. Where cells are missing a shuffle may leave one side without any: it has no statistic and
does not count in n (as one that falls short it would make p too small). Each test starts its own
``default_rng(seed)``: the same seed and number of tasks give the same shuffles. All shuffles are evaluated
at once, by matrix products with one-hot labels.

A symmetric measure says the same of both directions: its mirrored cells are one pair of tasks, which counts
once in n, SD and standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.significance.intervals import interval
from brodmann.statistics.resampling import p_value, shuffled, times_drawn
from brodmann.tasks.domains import rank


@dataclass(frozen=True)
class Cells:
    """Mean and spread of a set of cells; NaN where there are none (SD: fewer than two)."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: np.ndarray) -> Cells:
        """Of the finite ones among ``values``; SD with ddof 1."""
        finite = values[np.isfinite(values)]
        mean = float(finite.mean()) if len(finite) else float("nan")
        sd = float(finite.std(ddof=1)) if len(finite) > 1 else float("nan")
        return cls(mean, sd, len(finite))

    @property
    def sem(self) -> float:
        """SD / sqrt(cells)."""
        return self.sd / self.n**0.5 if self.n else float("nan")


@dataclass(frozen=True)
class Contrast:
    """Cells within against cells across, and how often shuffled labels give as large a difference."""

    within: Cells
    cross: Cells
    p: float  # NaN where a side has no cells

    @property
    def difference(self) -> float:
        """mean(within) - mean(cross)."""
        return self.within.mean - self.cross.mean

    @property
    def ratio(self) -> float:
        """mean(within) / mean(cross); NaN unless there is something across."""
        return self.within.mean / self.cross.mean if self.cross.mean > 0 else float("nan")


@dataclass(frozen=True)
class DomainContrast:
    """One domain against the others. ``out``: its circuits on others' tasks; ``into``: the reverse. Both are
    without cells for a symmetric measure, which has no direction."""

    contrast: Contrast  # within D against cells with exactly one task in D
    out: Cells  # D -> others
    into: Cells  # others -> D
    # Of the means within, cross, out and into, from resampled tasks.
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Modularity:
    """Of one matrix: all domains together, and each by itself."""

    overall: Contrast
    domains: dict[str, DomainContrast]
    n_tasks: int


def shuffles(codes: np.ndarray, n: int, seed: int) -> np.ndarray:
    """``n`` permutations of the label vector ``codes``, [n, tasks]: those of a loop over
    ``default_rng(seed).permutation(labels)``. Not to be written to."""
    return shuffled(tuple(codes.tolist()), n, seed)


def label_codes(domains: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The domains present, in the standard order, and each task's index into them."""
    names = sorted(set(domains), key=rank)
    return names, np.array([names.index(domain) for domain in domains], dtype=np.int64)


def gap(matrix: np.ndarray, domains: Sequence[str]) -> float:
    """mean(within) - mean(cross) alone, without a test; NaN where a side has no cells."""
    values, labels = np.array(matrix, dtype=np.float64), np.array(domains)
    usable = ~np.eye(len(labels), dtype=bool)
    same = labels[:, None] == labels[None, :]
    return Cells.of(values[usable & same]).mean - Cells.of(values[usable & ~same]).mean


def modularity(
    matrix: np.ndarray,
    domains: Sequence[str],
    *,
    permutations: int,
    seed: int,
    symmetric: bool = False,
) -> Modularity:
    """Test ``matrix`` [tasks, tasks] against the tasks' ``domains``.

    ``symmetric``: whether the measure has no direction. Then a pair of tasks counts once, with the mean of
    its two cells, or the one that is there.
    """
    names, codes = label_codes(domains)
    values = np.array(matrix, dtype=np.float64)
    counted = ~np.eye(len(codes), dtype=bool)
    if symmetric:
        values = np.where(np.isnan(values), values.T, values)
        values = (values + values.T) / 2
        counted = np.triu(counted)
    usable = np.isfinite(values) & ~np.eye(len(codes), dtype=bool)
    same = codes[:, None] == codes[None, :]
    observed = differences(values, usable, codes[None, :], len(names))
    null = differences(values, usable, shuffles(codes, permutations, seed), len(names))
    p = p_value(null, observed[0]).tolist()
    counted &= usable
    drawn = times_drawn(len(codes), seed)
    parts = {}
    for number, name in enumerate(names):
        own = codes == number
        out, into = counted & own[:, None] & ~own, counted & ~own[:, None] & own
        to_others, from_others = (
            Cells.of(values[[]] if symmetric else values[way]) for way in (out, into)
        )
        parts[name] = DomainContrast(
            Contrast(
                Cells.of(values[counted & own[:, None] & own]),
                Cells.of(values[out | into]),
                p[number],
            ),
            to_others,
            from_others,
            intervals(values, usable, own, drawn, symmetric=symmetric),
        )
    overall = Contrast(Cells.of(values[counted & same]), Cells.of(values[counted & ~same]), p[-1])
    return Modularity(overall, parts, len(codes))


def intervals(
    values: np.ndarray, usable: np.ndarray, own: np.ndarray, drawn: np.ndarray, *, symmetric: bool
) -> dict[str, tuple[float, float]]:
    """95 % intervals of a domain's means over resampled tasks: pairs of one task are not independent.

    ``usable`` [tasks, tasks]: the cells that count; ``own`` [tasks]: whose tasks are the domain's; ``drawn``
    [replicates, tasks]: how often each task is drawn. Fewer than three tasks have one pair, which says
    nothing of other tasks: NaN.
    """
    inside, outside = drawn * own, drawn * ~own
    cells = np.where(usable, values, 0.0)

    def sums(some: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        found: np.ndarray = ((first @ some) * second).sum(1)
        return found

    def mean(*ways: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        total, number = (
            sum(sums(some, *way) for way in ways) for some in (cells, usable.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return interval(np.where(number > 0, total / number, np.nan))

    nothing = float("nan"), float("nan")
    out, into = (inside, outside), (outside, inside)
    return {
        "within": mean((inside, inside)) if own.sum() > 2 else nothing,
        "cross": mean(out, into),
        "out": nothing if symmetric else mean(out),
        "into": nothing if symmetric else mean(into),
    }


def differences(
    values: np.ndarray, usable: np.ndarray, labels: np.ndarray, n_domains: int
) -> np.ndarray:
    """mean(within) - mean(cross) for each row of ``labels`` [n, tasks]: [n, domains + 1], overall last.

    ``usable`` [tasks, tasks] marks the cells that count; NaN where a side has none.
    """
    member = np.eye(n_domains)[labels]  # [n, tasks, domains]
    counted = [_sums(np.where(usable, values, 0.0), member), _sums(usable.astype(float), member)]
    (within, crossing, whole), (n_within, n_crossing, n_whole) = counted
    inside, n_inside = within.sum(1), n_within.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        each = within / n_within - crossing / n_crossing
        overall = inside / n_inside - (whole - inside) / (n_whole - n_inside)
    return np.column_stack([each, overall])


def _sums(cells: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Sums over cells within each domain and with exactly one task in it, [n, domains]; and of all."""
    n, tasks, domains = member.shape
    flat = member.transpose(1, 0, 2).reshape(tasks, n * domains)
    within = (flat * (cells @ flat)).sum(0).reshape(n, domains)
    touching = ((cells.sum(0) + cells.sum(1)) @ flat).reshape(n, domains)
    return within, touching - 2 * within, float(cells.sum())
