"""Accuracy, F1 and MCC of forced choices between two answers.

An item of two prompts makes two documents, which offer the same two answers; the right one of the first is
the wrong one of the second. The classes are the two answers in alphabetical order, as in the export to
lm-evaluation-harness: a model that prefers an answer whatever the prompt is right half of the time and has
an MCC of 0. Intervals resample independent units of items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.significance.effects import Value, of_units

METRICS = ("accuracy", "f1", "mcc")
_RESAMPLES = 1000


@dataclass(frozen=True)
class Choices:
    """Per document, those of an item next to each other: the class that is right, and the one chosen.

    ``gold`` is None where there is no class: single-answer items, one document each.
    """

    right: np.ndarray  # bool [items, documents]
    gold: np.ndarray | None  # 0 or 1, same shape

    @property
    def documents(self) -> int:
        """How many choices were made."""
        return self.right.size


def choices(log_probs: Sequence[Sequence[float]], first_is_clean: Sequence[bool]) -> Choices:
    """Of dual-answer items. ``log_probs``: per item lp(cc|clean), lp(ci|clean), lp(cc|corrupted),
    lp(ci|corrupted); ``first_is_clean``: whether the clean prompt's answer comes first by the alphabet."""
    values = np.asarray(log_probs, dtype=np.float64).reshape(-1, 4)
    right = np.stack([values[:, 0] > values[:, 1], values[:, 3] > values[:, 2]], axis=1)
    clean = np.where(np.asarray(first_is_clean, dtype=bool), 0, 1).reshape(-1, 1)
    return Choices(right, np.concatenate([clean, 1 - clean], axis=1))


def single_choices(log_probs: Sequence[Sequence[float]]) -> Choices:
    """Of single-answer items: joint lp of the clean and of the corrupted text."""
    values = np.asarray(log_probs, dtype=np.float64).reshape(-1, 2)
    return Choices((values[:, 0] > values[:, 1])[:, None], None)


def scores(found: Choices, units: Sequence[str], seed: int) -> dict[str, Value]:
    """Each metric with its 95 % interval, none of a single unit; ``n`` is the number of documents.

    ``units``: of each item its independent unit.
    """
    n = found.documents
    if not n:
        return {"accuracy": Value(0, np.nan, np.nan, np.nan)}
    # Per unit: documents of class 1 that are right and wrong, then those of class 0.
    gold = np.ones_like(found.right, dtype=int) if found.gold is None else found.gold
    cells = [(found.right == is_right) & (gold == kind) for kind in (1, 0) for is_right in (1, 0)]
    counts = of_units(np.array([cell.sum(1) for cell in cells]), units)
    independent = counts.shape[1]
    rows = np.random.default_rng(seed).integers(0, independent, (_RESAMPLES, independent))
    whole, resampled = counts.sum(1), counts[:, rows].sum(-1)
    names = METRICS if found.gold is not None else METRICS[:1]
    values = {}
    for name in names:
        metric = {"accuracy": _accuracy, "f1": macro_f1, "mcc": mcc}[name]
        low, high = np.quantile(metric(*resampled), (0.025, 0.975))
        if independent < 2:
            low = high = np.nan
        values[name] = Value(n, float(metric(*whole)), float(low), float(high))
    return values


def _accuracy(tp: np.ndarray, fn: np.ndarray, tn: np.ndarray, fp: np.ndarray) -> np.ndarray:
    accuracy: np.ndarray = (tp + tn) / (tp + fn + tn + fp)
    return accuracy


def macro_f1(tp: np.ndarray, fn: np.ndarray, tn: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """Mean of both classes' F1, of counts [samples]; a class that neither occurs nor is chosen has 0."""
    wrong = fn + fp
    parts = [2 * hit / np.maximum(2 * hit + wrong, 1) for hit in (tp, tn)]
    mean: np.ndarray = (parts[0] + parts[1]) / 2
    return mean


def mcc(tp: np.ndarray, fn: np.ndarray, tn: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """Matthews' correlation, of counts [samples]; 0 where only one class occurs or is chosen."""
    tp, fn, tn, fp = (np.asarray(part, dtype=np.float64) for part in (tp, fn, tn, fp))
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.where(below > 0, (tp * tn - fp * fn) / np.where(below > 0, below, 1), 0.0)
