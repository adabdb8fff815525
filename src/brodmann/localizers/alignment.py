"""How well units' activations predict recordings: cross-validated ridge regression, voxel by voxel.

For every fold, features and voxels are standardised by the training stimuli, the penalty of each voxel is
chosen among ``PENALTIES`` by leave-one-out within the training stimuli, and the prediction of the stimuli
left out is compared with what was recorded (Pearson's r). Stimuli of one group (a story, a run) are never
on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = tuple(10.0**power for power in range(-3, 7))


@dataclass(frozen=True)
class Prediction:
    """Per voxel: r averaged over folds (NaN where it is never defined), and the middle penalty."""

    r: np.ndarray  # float64 [voxels]
    penalty: np.ndarray  # float64 [voxels]


def folds(groups: Sequence[str], n_folds: int, seed: int) -> np.ndarray:
    """The fold of every stimulus: int [stimuli]. Groups are shuffled, then put where there is most room."""
    names = sorted(set(groups))
    if len(names) < n_folds:
        raise ValueError(f"{len(names)} groups cannot make {n_folds} folds")
    np.random.default_rng(seed).shuffle(names)
    sizes = {name: sum(one == name for one in groups) for name in names}
    filled = [0] * n_folds
    fold_of = {}
    # The largest first, so that folds come out alike; equal ones in shuffled order.
    for name in sorted(names, key=lambda name: -sizes[name]):
        fold_of[name] = filled.index(min(filled))
        filled[fold_of[name]] += sizes[name]
    return np.array([fold_of[name] for name in groups])


def predict(features: np.ndarray, voxels: np.ndarray, fold: np.ndarray) -> Prediction:
    """Held-out prediction of ``voxels`` [stimuli, voxels] from ``features`` [stimuli, units]."""
    from sklearn.linear_model import RidgeCV

    scores, penalties = [], []
    for held_out in np.unique(fold):
        train, test = fold != held_out, fold == held_out
        x_train, x_test = _standardised(features, train, test)
        y_train, y_test = _standardised(voxels, train, test)
        # In this form every voxel has a penalty of its own, and leave-one-out costs one decomposition.
        model = RidgeCV(alphas=PENALTIES, alpha_per_target=True, fit_intercept=False)
        found = model.fit(x_train, y_train).predict(x_test).reshape(y_test.shape)
        scores.append(_pearson(found, y_test))
        penalties.append(np.broadcast_to(model.alpha_, (voxels.shape[1],)))
    kept = np.array(scores)
    count = np.isfinite(kept).sum(0)
    r = np.where(count > 0, np.nansum(kept, axis=0) / np.maximum(count, 1), np.nan)
    return Prediction(r, np.median(np.array(penalties), axis=0))


def _standardised(
    values: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both parts, by the mean and SD of the training part; a constant column becomes 0."""
    mean, sd = values[train].mean(0), values[train].std(0)
    sd[sd == 0] = 1.0
    return (values[train] - mean) / sd, (values[test] - mean) / sd


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of matching columns; NaN where one of them is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    length = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    r = np.full(len(length), np.nan)
    np.divide((a * b).sum(0), length, out=r, where=length > 1e-12)
    return r
