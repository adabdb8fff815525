"""Probing: what a logistic regression reads off a model's features, by cross-validation in float64.

Prompts of one group (an item's clean and corrupted prompt, or whatever shares its words) are never in two
folds. The folds depend on labels, groups and seed alone, so that they are the same for every edit.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Probe:
    """Per fold the share of held-out prompts whose label was read right; and what chance would give.

    No fold, and an accuracy of NaN, where labels or groups are too few to hold any out.
    """

    accuracies: tuple[float, ...]
    chance: float  # of the most frequent label
    n: int

    @property
    def accuracy(self) -> float:
        """Mean over folds."""
        return float(np.mean(self.accuracies)) if self.accuracies else float("nan")


def probe(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, folds: int, seed: int
) -> Probe:
    """``features`` [prompts, hidden]; standardised by the training folds' mean and SD.

    ``folds``: at most; where there are fewer groups, or no label is as frequent, as many as there can be.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    values = np.asarray(features, dtype=np.float64)
    _, numbers = np.unique(labels, return_inverse=True)
    counts = np.bincount(numbers)
    chance = float(counts.max() / counts.sum()) if len(counts) else float("nan")
    folds = min(folds, len(np.unique(groups)), int(counts.max(initial=0)))
    if folds < 2 or len(counts) < 2:
        return Probe((), chance, len(numbers))
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    accuracies = []
    for train, test in split.split(values, numbers, groups):
        if not len(test) or len(np.unique(numbers[train])) < 2:
            continue
        reader = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        # Threads cost more than they bring for so few numbers.
        with warnings.catch_warnings(), threadpool_limits(1):
            # Separable features have no finite optimum; the penalty keeps it near.
            warnings.simplefilter("ignore", ConvergenceWarning)
            reader.fit(values[train], numbers[train])
        accuracies.append(float(reader.score(values[test], numbers[test])))
    return Probe(tuple(accuracies), chance, len(numbers))
