"""What a lesion does, with intervals and paired tests: the same passages and items, intact and lesioned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, wilcoxon

_RESAMPLES = 1000
_LEVEL = 0.95


@dataclass(frozen=True)
class Value:
    """A number with its 95 % interval, of ``n`` passages or items."""

    n: int
    value: float
    low: float
    high: float


def accuracy(right: np.ndarray) -> Value:
    """The share of items that are right, with Wilson's interval."""
    n = len(right)
    if not n:
        return Value(0, math.nan, math.nan, math.nan)
    test = binomtest(int(right.sum()), n)
    interval = test.proportion_ci(_LEVEL, method="wilson")
    return Value(n, float(right.mean()), float(interval.low), float(interval.high))


def perplexity(log_probs: Sequence[float], counts: Sequence[int], seed: int) -> Value:
    """exp of the mean surprise per token (or word), with the interval of resampled passages."""
    total, size = np.asarray(log_probs, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(total), (_RESAMPLES, len(total)))
    resampled = -total[rows].sum(1) / size[rows].sum(1)
    tail = (1 - _LEVEL) / 2
    # exp keeps the order, and may be infinite.
    with np.errstate(over="ignore"):
        low, high = np.exp(np.quantile(resampled, (tail, 1 - tail)))
        value = np.exp(-total.sum() / size.sum())
    return Value(len(total), float(value), float(low), float(high))


def sign_test(differences: np.ndarray) -> float:
    """Two-sided p of as many items going up as down; those that stay count for neither (McNemar's test)."""
    up, down = int((differences > 0).sum()), int((differences < 0).sum())
    return float(binomtest(up, up + down).pvalue) if up + down else 1.0


def rank_test(differences: np.ndarray) -> float:
    """Wilcoxon's signed ranks, two-sided p; without any difference it is 1."""
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0
