"""What a lesion does, with intervals and paired tests: the same passages and items, intact and lesioned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm, wilcoxon

from brodmann.significance.intervals import LEVEL

_RESAMPLES = 1000
# Of the largest number; tables hold ten digits.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval, of ``n`` passages or items."""

    n: int
    value: float
    low: float
    high: float


def accuracy(right: np.ndarray, units: Sequence[object] | None = None) -> Value:
    """The share of items that are right, with Wilson's interval.

    ``units``: of each item the independent unit that it is of. The interval is that of as many items as there
    are units: as wide as if items of one unit were right or wrong together.
    """
    n, independent = len(right), len(right if units is None else set(units))
    if not n:
        return Value(0, math.nan, math.nan, math.nan)
    share, z2 = float(right.mean()), float(norm.ppf((1 + LEVEL) / 2)) ** 2
    middle = (share + z2 / (2 * independent)) / (1 + z2 / independent)
    variance = share * (1 - share) / independent + z2 / (4 * independent**2)
    half = math.sqrt(z2 * variance) / (1 + z2 / independent)
    return Value(n, share, max(0.0, middle - half), min(1.0, middle + half))


def perplexity(log_probs: Sequence[float], counts: Sequence[int], seed: int) -> Value:
    """exp of the mean surprise per token (or word), with the interval of resampled passages."""
    total, size = np.asarray(log_probs, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(total), (_RESAMPLES, len(total)))
    resampled = -total[rows].sum(1) / size[rows].sum(1)
    tail = (1 - LEVEL) / 2
    # exp keeps the order, and may be infinite.
    with np.errstate(over="ignore"):
        low, high = np.exp(np.quantile(resampled, (tail, 1 - tail)))
        value = np.exp(-total.sum() / size.sum())
    return Value(len(total), float(value), float(low), float(high))


def sign_test(
    own: np.ndarray, others: Sequence[np.ndarray], units: Sequence[object] | None = None
) -> float:
    """Two-sided p of items being right as often in ``own`` as in each of ``others`` (1 right, 0 wrong).

    Under the null hypothesis any of the n + 1 may be the own one: of an item that t of them have right, the
    own one is right with probability t / (n + 1). Exact; with a single other it is McNemar's test. (Signs of
    differences from the others' mean would not do: where most are right, most differences are positive.)

    ``units``: of each item the independent unit that it is of; items of one unit are exchanged together.
    """
    right = np.stack([own, *others]) > 0.5
    if units is not None and len(set(units)) < len(units):
        return _sign_test_of_units(right, units)
    total, chances = right.sum(0), np.ones(1)
    for count in range(1, len(right)):
        n = int((total == count).sum())
        chances = np.convolve(chances, binom.pmf(np.arange(n + 1), n, count / len(right)))
    observed = int(right[0, (total > 0) & (total < len(right))].sum())
    return _as_likely(chances, observed)


def _sign_test_of_units(right: np.ndarray, units: Sequence[object]) -> float:
    """``right`` bool [own and others, items]: a unit's number of right items is that of any of them."""
    counts = of_units(right, units)
    chances = np.ones(1)
    for each in counts.T:
        chances = np.convolve(chances, np.bincount(each) / len(right))
    return _as_likely(chances, int(counts[0].sum()))


def of_units(numbers: np.ndarray, units: Sequence[object]) -> np.ndarray:
    """Sums [rows, units] of whole numbers [rows, items], over the items of each unit, in their order."""
    place = {name: at for at, name in enumerate(dict.fromkeys(units))}
    places = np.array([place[name] for name in units])
    found = np.zeros((len(place), len(numbers)), dtype=int)
    np.add.at(found, places, numbers.T.astype(int))
    return found.T


def _as_likely(chances: np.ndarray, observed: int) -> float:
    """The probability of all numbers that are no likelier than the ``observed`` one."""
    # As in binomtest: what is as likely but for rounding counts as reached.
    reached = chances <= chances[observed] * (1 + 1e-7)
    return float(min(1.0, chances[reached].sum()))


def rank_test(own: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Wilcoxon's signed ranks of ``own`` less the others' mean, two-sided p; 1 without any difference."""
    return signed_ranks(own, np.mean(others, axis=0))


def signed_ranks(first: np.ndarray, second: np.ndarray) -> float:
    """Wilcoxon's signed ranks of pairs, two-sided p; 1 without any difference.

    Differences that are equal but for rounding have one rank, and what is 0 but for rounding has none: of
    shares of items many are equal, and the last digit of 0.9 - 0.85 would rank them.
    """
    numbers = np.abs([first, second])
    least = _ROUNDING * numbers[np.isfinite(numbers)].max(initial=0.0)
    with np.errstate(invalid="ignore"):  # two may be infinite
        differences = first - second
        order = np.argsort(np.abs(differences))
        steps = np.diff(np.abs(differences)[order], prepend=0.0) > least
    levels = np.empty(len(order))
    levels[order] = np.cumsum(steps) * np.sign(differences[order])
    levels = levels[levels != 0]
    return float(wilcoxon(levels).pvalue) if len(levels) else 1.0
