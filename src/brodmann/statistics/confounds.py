"""Does the domain effect survive what tasks share on the surface?

Least squares of a pair's value (overlap, or accuracy drop) on same domain, alone and beside the surface
similarities of ``statistics.surface``. Pairs that share a task are not independent, hence p-values from
permuted tasks (MRQAP, double semi-partialing: what is left of one predictor after the others is permuted by
tasks; one-sided on its t) and intervals from resampled tasks. And a test without a model: labels shuffled
within surface formats only, so that nothing that a format does can pass for a domain's doing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from brodmann.significance.intervals import interval
from brodmann.statistics.modularity import differences, label_codes
from brodmann.statistics.resampling import (
    BOOTSTRAPS,
    cells_of,
    p_value,
    reached,
    resampled,
    shuffled,
)

_CHUNK = 500  # permutations evaluated at once


@dataclass(frozen=True)
class Term:
    """One predictor's coefficient: the value that goes with 1 of it, the others held; NaN if it is constant,
    or the sum of others (each domain in a format of its own)."""

    coefficient: float = nan
    low: float = nan
    high: float = nan
    p: float = nan


@dataclass(frozen=True)
class Stratified:
    """mean(within) - mean(cross), tested by shuffling domains within formats."""

    difference: float
    p: float  # NaN if no task can change its domain
    n_movable: int  # tasks in formats that hold several domains


def regress_pairs(
    values: np.ndarray,
    predictors: Mapping[str, np.ndarray],
    *,
    directed: bool,
    permutations: int,
    seed: int,
) -> dict[str, Term]:
    """``values`` and every predictor are [tasks, tasks]; pairs are all off-diagonal cells (``directed``)
    or the upper triangle, where the value is finite."""
    where = cells_of(len(values), directed=directed) & np.isfinite(values)
    y = values[where]
    varied = {name: x for name, x in predictors.items() if len(np.unique(x[where])) > 1}
    if len(y) < len(varied) + 3 or len(np.unique(y)) < 2:
        return dict.fromkeys(predictors, Term())
    design = np.column_stack([np.ones(len(y)), *[x[where] for x in varied.values()]])
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    drawn = _resampled(values, list(varied.values()), directed, rank, seed)
    found = dict.fromkeys(predictors, Term())
    for number, name in enumerate(varied):
        others = [x for other, x in varied.items() if other != name]
        if np.linalg.matrix_rank(np.delete(design, number + 1, axis=1)) == rank:
            continue
        p = _mrqap(varied[name], others, values, where, permutations, seed)
        found[name] = Term(float(fitted[number + 1]), *interval(drawn[:, number]), p)
    return found


def _mrqap(
    x: np.ndarray,
    others: Sequence[np.ndarray],
    values: np.ndarray,
    where: np.ndarray,
    permutations: int,
    seed: int,
) -> float:
    """One-sided p of x's t: its residual on the others, permuted by tasks, takes its place (Dekker 2007)."""
    n = len(values)
    y = values[where]
    basis = _basis(np.column_stack([np.ones(len(y)), *[other[where] for other in others]]))
    y = y - basis @ (basis.T @ y)
    # The residual is needed wherever a permuted pair may come from, also where the value is missing.
    residual = _residual(x, others, where)
    rows, columns = np.nonzero(where)

    def t_values(orders: np.ndarray) -> np.ndarray:
        moved = residual[orders[:, rows], orders[:, columns]]  # [orders, pairs]
        moved = moved - (moved @ basis) @ basis.T
        spread = (moved**2).sum(1)
        slope = moved @ y / np.where(spread > 0, spread, np.nan)
        left = (y**2).sum() - slope**2 * spread
        t: np.ndarray = slope * np.sqrt(spread / np.maximum(left, 1e-300))
        return t

    observed = t_values(np.arange(n)[None, :])[0]
    orders = shuffled(tuple(range(n)), permutations, seed)
    beyond = 0
    for start in range(0, permutations, _CHUNK):
        beyond += int(reached(t_values(orders[start : start + _CHUNK]), observed))
    if not np.isfinite(observed):
        return float("nan")
    return (1 + beyond) / (1 + permutations)


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal, of what the columns span: fewer, if some are sums of others."""
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return vectors[:, sizes > sizes[0] * max(columns.shape) * np.finfo(float).eps]


def _residual(x: np.ndarray, others: Sequence[np.ndarray], where: np.ndarray) -> np.ndarray:
    """x less what the others predict of it, on the whole square (fitted where there are values)."""
    full = np.stack([np.ones(x.shape), *others], axis=-1)
    coefficients = np.linalg.lstsq(full[where], x[where], rcond=None)[0]
    residual: np.ndarray = x - full @ coefficients
    return residual


def _resampled(
    values: np.ndarray, predictors: Sequence[np.ndarray], directed: bool, rank: int, seed: int
) -> np.ndarray:
    """Coefficients under resampled tasks, [replicates, predictors]; a task never meets itself.

    NaN where the tasks drawn tell fewer predictors apart than all tasks do (``rank``).
    """
    half = cells_of(len(values), directed=directed)
    found = np.full((BOOTSTRAPS, len(predictors)), np.nan)
    for number, (grid, pairs) in enumerate(resampled(len(values), seed)):
        y = values[grid]
        use = pairs & half & np.isfinite(y)
        columns = [x[grid][use] for x in predictors]
        if use.sum() > len(predictors) + 1:
            design = np.column_stack([np.ones(use.sum()), *columns])
            fitted, _, told_apart, _ = np.linalg.lstsq(design, y[use], rcond=None)
            if told_apart == rank:
                found[number] = fitted[1:]
    return found


def stratified(
    values: np.ndarray,
    domains: Sequence[str],
    formats: Sequence[str],
    *,
    permutations: int,
    seed: int,
) -> Stratified:
    """The difference of ``statistics.modularity``, with labels shuffled within ``formats``."""
    names, codes = label_codes(domains)
    kinds = np.array(formats)
    groups = [np.flatnonzero(kinds == kind) for kind in dict.fromkeys(formats)]
    mixed = [group for group in groups if len(set(codes[group])) > 1]
    usable = np.isfinite(values) & ~np.eye(len(codes), dtype=bool)
    observed = float(differences(values, usable, codes[None, :], len(names))[0, -1])
    movable = sum(len(group) for group in mixed)
    if not mixed or not np.isfinite(observed):
        return Stratified(observed, float("nan"), movable)
    rng = np.random.default_rng(seed)
    labels = np.tile(codes, (permutations, 1))
    for drawn in labels:
        for group in mixed:
            drawn[group] = rng.permutation(drawn[group])
    null = differences(values, usable, labels, len(names))[:, -1]
    return Stratified(observed, float(p_value(null, observed)), movable)
