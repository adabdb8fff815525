"""How well units' activations predict recordings: cross-validated ridge regression, voxel by voxel.

For every fold, features and voxels are standardised by the training stimuli, the penalty of each voxel is
chosen among ``PENALTIES`` by leave-one-out within the training stimuli, and the prediction of the stimuli
left out is compared with what was recorded (Pearson's r). Stimuli of one group (a story, a run) are never
on both sides. For intervals, groups are resampled within folds; models stay as they were fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PENALTIES = tuple(10.0**power for power in range(-3, 7))
# Of intervals; and how many of them are held in memory at once.
DRAWS, _AT_ONCE = 1000, 50


@dataclass(frozen=True)
class Prediction:
    """Per voxel: r averaged over folds (NaN where it is never defined), and the middle penalty.

    ``predicted`` and ``recorded``: of each stimulus when it was left out, standardised as in its fold.
    """

    r: np.ndarray  # float64 [voxels]
    penalty: np.ndarray  # float64 [voxels]
    predicted: np.ndarray  # float64 [stimuli, voxels]
    recorded: np.ndarray  # float64 [stimuli, voxels]


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
    predicted, recorded = np.empty(voxels.shape), np.empty(voxels.shape)
    for held_out in np.unique(fold):
        train, test = fold != held_out, fold == held_out
        x_train, x_test = _standardised(features, train, test)
        y_train, y_test = _standardised(voxels, train, test)
        # In this form every voxel has a penalty of its own, and leave-one-out costs one decomposition.
        model = RidgeCV(alphas=PENALTIES, alpha_per_target=True, fit_intercept=False)
        found = model.fit(x_train, y_train).predict(x_test).reshape(y_test.shape)
        predicted[test], recorded[test] = found, y_test
        scores.append(pearson(found, y_test))
        penalties.append(np.broadcast_to(model.alpha_, (voxels.shape[1],)))
    r = mean_known(np.array(scores))
    return Prediction(r, np.median(np.array(penalties), axis=0), predicted, recorded)


def mean_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is no NaN; NaN where there is nothing else."""
    count = np.isfinite(values).sum(0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)


def resampled(
    found: Prediction, fold: np.ndarray, groups: Sequence[str], *, seed: int, draws: int = DRAWS
) -> np.ndarray:
    """The mean of r over voxels, of draws of as many groups of each fold with replacement: float64 [draws].

    Draws of one seed are of the same stimuli, so that two predictions can be compared draw by draw. NaN where
    a fold holds a single group: it would be the same in every draw.
    """
    if any(len(np.unique(np.array(groups)[fold == one])) < 2 for one in np.unique(fold)):
        return np.full(draws, np.nan)
    times = drawn_stimuli(fold, groups, seed, draws)
    means = []
    for at in range(0, draws, _AT_ONCE):
        some = times[at : at + _AT_ONCE]
        r = [
            _weighted(found.predicted[own], found.recorded[own], some[:, own])
            for own in (fold == one for one in np.unique(fold))
        ]
        means.append(mean_known(mean_known(np.array(r)).T))
    return np.concatenate(means)


def drawn_stimuli(fold: np.ndarray, groups: Sequence[str], seed: int, draws: int) -> np.ndarray:
    """How often each draw holds each stimulus: float64 [draws, stimuli]."""
    dice, names = np.random.default_rng(seed), np.array(groups)
    times = np.zeros((draws, len(names)))
    for one in np.unique(fold):
        here = np.unique(names[fold == one])
        drawn = dice.integers(len(here), size=(draws, len(here)))
        for number, name in enumerate(here):
            times[:, names == name] = (drawn == number).sum(1)[:, None]
    return times


def _weighted(a: np.ndarray, b: np.ndarray, times: np.ndarray) -> np.ndarray:
    """r of matching columns [stimuli, voxels], each stimulus taken so many times: [draws, voxels]."""
    total = times.sum(1, keepdims=True)
    mean_a, mean_b = times @ a / total, times @ b / total
    both = times @ (a * b) / total - mean_a * mean_b
    size = (times @ a**2 / total - mean_a**2) * (times @ b**2 / total - mean_b**2)
    r = np.full(both.shape, np.nan)
    # Standardised values: what is smaller is a constant but for rounding.
    np.divide(both, np.sqrt(np.maximum(size, 0)), out=r, where=size > 1e-20)
    return r


def _standardised(
    values: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both parts, by the mean and SD of the training part; a constant column becomes 0."""
    mean, sd = values[train].mean(0), values[train].std(0)
    sd[sd == 0] = 1.0
    return (values[train] - mean) / sd, (values[test] - mean) / sd


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """r of matching columns; NaN where one of them is constant."""
    a, b = a - a.mean(0), b - b.mean(0)
    length = np.sqrt((a**2).sum(0) * (b**2).sum(0))
    r = np.full(len(length), np.nan)
    np.divide((a * b).sum(0), length, out=r, where=length > 1e-12)
    return r
