"""Does overlap predict ablation? Structure (how far two circuits overlap) against function (what breaks).

Over the off-diagonal directed pairs (source, target) that have both values: a mixed-effects regression of
the accuracy drop on the standardised overlap, with crossed random intercepts for source and target and one
for the unordered pair (REML, ``statistics.mixed``); over models, the mean of their slopes, which vary at
random (REML, ``statistics.pooling``); and Spearman's correlation, tested by permuting tasks (Mantel), with an
interval from resampling tasks: pairs of a task are not independent. The regression knows tasks as intercepts
alone; beside it stand the interval of the least-squares slope over resampled tasks, and the slope without the
pairs of nearly the same circuit, on which it may rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr
from scipy.stats import t as student

from brodmann.significance.intervals import LEVEL, interval
from brodmann.statistics.mixed import PairFit, degrees_of_freedom, fit_pairs
from brodmann.statistics.pooling import pool, shared_errors
from brodmann.statistics.resampling import BOOTSTRAPS, cells_of, p_value, resampled

# With fewer tasks resamples that hold several of them are too alike to say anything.
MIN_TASKS = 5
# From this overlap on, two circuits are as alike as two of one task that come back moderately.
ALIKE = 0.4
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Regression:
    """The drop in accuracy that goes with one SD of overlap; NaN with a note where it was not fitted."""

    note: str  # why it was not fitted, or what it lacks
    converged: bool = False
    coefficient: float = nan
    se: float = nan
    df: float = nan  # of its t
    n_models: int = 1
    slope_sd: float = nan  # of models' own slopes; of several models only
    low: float = nan
    high: float = nan
    p: float = nan

    def tested(self) -> Regression:
        """With the interval and the two-sided p of its t."""
        reach = float(student.ppf((1 + LEVEL) / 2, self.df)) * self.se
        p = float(2 * student.sf(abs(self.coefficient) / self.se, self.df)) if self.se > 0 else 0.0
        return replace(self, low=self.coefficient - reach, high=self.coefficient + reach, p=p)


@dataclass(frozen=True)
class Support:
    """What a slope rests on."""

    least_squares: float = (
        nan  # the slope without intercepts of tasks, per the same SD; mean over models
    )
    resampled_low: float = nan  # of that, over resampled tasks
    resampled_high: float = nan
    n_alike: int = 0  # pairs that overlap by ``ALIKE`` or more
    without_alike: float = nan  # the slope of all others, in the same unit


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho over pairs; p from permuted tasks, interval from resampled tasks."""

    rho: float = nan
    low: float = nan
    high: float = nan
    p: float = nan


def pair_table(overlap: pd.DataFrame, drop: pd.DataFrame) -> pd.DataFrame:
    """source, target, overlap, drop of the off-diagonal directed pairs that have both values."""
    tasks = [task for task in overlap.index if task in set(drop.index)]
    first = overlap.loc[tasks, tasks].to_numpy(dtype=float)
    second = drop.loc[tasks, tasks].to_numpy(dtype=float)
    usable = np.isfinite(first) & np.isfinite(second) & ~np.eye(len(tasks), dtype=bool)
    rows, columns = np.nonzero(usable)
    names = np.array(tasks, dtype=object)
    return pd.DataFrame(
        {
            "source": names[rows],
            "target": names[columns],
            "overlap": first[rows, columns],
            "drop": second[rows, columns],
        }
    )


def regress(pairs: pd.DataFrame) -> Regression:
    """drop ~ standardised overlap + (1 | source) + (1 | target) + (1 | unordered pair), of one model."""
    if why := why_not(pairs):
        return Regression(why)
    found = _fit(pairs, pairs["overlap"].std(ddof=1))
    note = "" if found.converged else "the search for the variances did not converge"
    return Regression(note, found.converged, found.slope, found.se, found.df).tested()


def regress_over_models(tables: Mapping[str, pd.DataFrame]) -> Regression:
    """The mean of the models' slopes, which vary at random; ``tables``: model -> its ``pair_table``.

    Overlap is standardised over all pairs of all models, so that slopes are in one unit. Every model has an
    intercept, sources, targets and pairs of its own.
    """
    why = {model: why_not(pairs) for model, pairs in tables.items()}
    used = {model: pairs for model, pairs in tables.items() if not why[model]}
    left_out = "; ".join(f"{model} left out: {what}" for model, what in why.items() if what)
    if len(used) < 2:
        return Regression(left_out or f"too few models ({len(used)})")
    unit = pd.concat([pairs["overlap"] for pairs in used.values()]).std(ddof=1)
    fits = {model: _fit(pairs, unit) for model, pairs in used.items()}
    shared = shared_errors({model: _parts(used[model], fit) for model, fit in fits.items()})
    slopes = np.array([fit.slope for fit in fits.values()])
    errors = np.array([fit.se for fit in fits.values()])
    found = pool(slopes, errors, shared, min(fit.df for fit in fits.values()))
    lost = [f"{model} did not converge" for model, fit in fits.items() if not fit.converged]
    note = "; ".join([*([left_out] if left_out else []), *lost])
    fit = found.mean, found.se, found.df
    return Regression(note, not lost, *fit, n_models=len(used), slope_sd=found.tau).tested()


def support(tables: Sequence[pd.DataFrame], seed: int) -> Support:
    """Of one model's slope, or of the mean over several. ``tables``: of ``pair_table``."""
    used = [pairs for pairs in tables if not why_not(pairs)]
    if not used:
        return Support()
    unit = pd.concat([pairs["overlap"] for pairs in used]).std(ddof=1)
    others = [pairs[pairs["overlap"] < ALIKE] for pairs in used]
    rest = nan if any(map(why_not, others)) else np.mean([_fit(own, unit).slope for own in others])
    alike = sum(map(len, used)) - sum(map(len, others))
    slopes = [np.polyfit(own["overlap"] / unit, own["drop"], 1)[0] for own in used]
    low, high = interval(resampled_slopes(used, unit, seed))
    return Support(float(np.mean(slopes)), low, high, alike, float(rest))


def resampled_slopes(tables: Sequence[pd.DataFrame], unit: float, seed: int) -> np.ndarray:
    """Least-squares slopes per ``unit`` of overlap, mean over models, tasks drawn with replacement
    [replicates]; NaN where a draw leaves a model nothing to fit."""
    tasks = sorted({name for own in tables for name in (*own["source"], *own["target"])})
    if len(tasks) < MIN_TASKS:
        return np.array([])
    place = {task: number for number, task in enumerate(tasks)}
    drawn = np.random.default_rng(seed).integers(len(tasks), size=(BOOTSTRAPS, len(tasks)))
    times = np.array([np.bincount(draw, minlength=len(tasks)) for draw in drawn])
    slopes = []
    for own in tables:
        source, target = (own[end].map(place).to_numpy() for end in ("source", "target"))
        weight = (times[:, source] * times[:, target]).astype(float)  # of a pair, in a replicate
        x, y = own["overlap"].to_numpy(dtype=float) / unit, own["drop"].to_numpy(dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            total = weight.sum(1)
            apart = x - (weight @ x / total)[:, None]
            spread = (weight * apart**2).sum(1)
            slope = (weight * apart) @ y / spread
        # Overlaps that are all the same differ by rounding alone.
        slopes.append(np.where(spread > _ROUNDING * total, slope, nan))
    found: np.ndarray = np.mean(slopes, axis=0)
    return found


def why_not(pairs: pd.DataFrame) -> str:
    """Why pairs of tasks cannot be regressed; empty where they can."""
    codes = _codes(pairs)
    if not len(pairs) or degrees_of_freedom(*codes) < 1:
        return f"too few pairs ({len(pairs)})"
    for column in ("overlap", "drop"):
        if pairs[column].nunique() < 2:
            return f"the {column} is the same for all pairs"
    return ""


def _codes(pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Source and target as numbers of tasks."""
    ends = pd.concat([pairs["source"], pairs["target"]])
    codes = pd.factorize(ends)[0]
    return codes[: len(pairs)], codes[len(pairs) :]


def _fit(pairs: pd.DataFrame, unit: float) -> PairFit:
    """The slope per ``unit`` of overlap."""
    x = pairs["overlap"].to_numpy(dtype=float)
    return fit_pairs((x - x.mean()) / unit, pairs["drop"].to_numpy(dtype=float), *_codes(pairs))


def _parts(pairs: pd.DataFrame, fit: PairFit) -> pd.Series:
    """The part of each unordered pair of tasks in the error of the slope."""
    ends = np.sort(pairs[["source", "target"]].to_numpy(dtype=str), axis=1)
    return pd.Series(fit.parts).groupby([ends[:, 0], ends[:, 1]]).sum()


def correlate(
    overlap: pd.DataFrame, drop: pd.DataFrame, *, permutations: int, seed: int
) -> Correlation:
    """Spearman over the pairs of one model, with its interval and one-sided Mantel p."""
    pairs = pair_table(overlap, drop)
    if len(pairs) < 3 or pairs["overlap"].nunique() < 2 or pairs["drop"].nunique() < 2:
        return Correlation()
    rho = float(spearmanr(pairs["overlap"], pairs["drop"]).statistic)
    tasks = sorted({*pairs["source"], *pairs["target"]})
    first = overlap.loc[tasks, tasks].to_numpy(dtype=float)
    second = drop.loc[tasks, tasks].to_numpy(dtype=float)
    low, high = _interval(first, second, seed)
    return Correlation(rho, low, high, mantel(first, second, permutations=permutations, seed=seed))


def mantel(first: np.ndarray, second: np.ndarray, *, permutations: int, seed: int) -> float:
    """(1 + #{rho of permuted >= rho}) / (1 + n): rows and columns of ``first`` permuted together.

    Where too few pairs are left to a permutation it has no rho, and does not count in n.
    """
    n = len(first)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(permutations)]
    off = cells_of(n, directed=True)
    if np.isfinite(first[off]).all() and np.isfinite(second[off]).all():
        null = _permuted_rank_correlations(first, second, orders, off)
    else:
        # Missing cells move with the tasks: which pairs count differs from one order to the next.
        moved = [_spearman(first[np.ix_(order, order)][off], second[off]) for order in orders]
        null = np.array(moved)
    return float(p_value(null, _spearman(first[off], second[off])))


def _permuted_rank_correlations(
    first: np.ndarray, second: np.ndarray, orders: list[np.ndarray], off: np.ndarray
) -> np.ndarray:
    """Ranks do not change when tasks are permuted: only which rank meets which."""
    ranks, others = np.zeros(first.shape), rankdata(second[off])
    ranks[off] = rankdata(first[off])
    others = (others - others.mean()) / (others.std() * len(others))
    rows, columns = np.nonzero(off)
    spread = ranks[off].std()
    rhos: np.ndarray = np.array([ranks[o[rows], o[columns]] @ others for o in orders]) / spread
    return rhos


def _interval(first: np.ndarray, second: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile interval: tasks drawn with replacement; a task never meets itself."""
    if len(first) < MIN_TASKS:
        return nan, nan
    draws = resampled(len(first), seed)
    return interval(
        np.array([_spearman(first[grid][use], second[grid][use]) for grid, use in draws])
    )


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Over the pairs that both have; NaN where one side is constant."""
    use = np.isfinite(a) & np.isfinite(b)
    if use.sum() < 3:
        return float("nan")
    a, b = rankdata(a[use]), rankdata(b[use])
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else float("nan")
