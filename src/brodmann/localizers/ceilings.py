"""Noise ceilings: how well a model without error would predict recordings that hold noise.

Each of n measurements is taken as a signal, which is the same in all, and noise, which is independent and of
one size. The mean of all n has the reliability rho_n (the signal's share of its variance). On average no
prediction correlates with it by more than the square root of rho_n (Spearman 1904, correction for
attenuation; Lage-Castellanos et al. 2019). Two ways lead to rho_n:

- *split-half*: r between the means of two halves of m measurements each, by the Spearman-Brown formula
  (Spearman 1910; Brown 1910): rho_n = k r / (1 + (k - 1) r), k = n / m. Of an odd n one is in neither half.
- *subjects*: r between one subject and the mean of the n - 1 others, as in the lower bound of Nili et al.
  (2014). With a for the variance of noise over that of the signal, r^-2 = (1 + a)(1 + a / (n - 1)), which is
  solved for a; rho_n = 1 / (1 + a / n). For two subjects this is the Spearman-Brown formula.

Where every subject has voxels of its own there is no mean over subjects. Then the ceiling of a voxel is how
well the *other subjects' voxels* predict it, by the regression that units are put to (as Schrimpf et al.
2021, without their extrapolation to more subjects). Other brains are noisy, too: a model may exceed it.

Every r is Pearson's over the stimuli of one fold, averaged over folds, as the prediction's is: what differs
between folds alone (stories, runs) counts for neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from brodmann.localizers.alignment import mean_known, pearson, predict
from brodmann.localizers.recordings import Recordings

SPLIT_HALF, SUBJECTS = "split-half", "subjects"
# Of more ways to split, so many are drawn.
SPLITS = 100


@dataclass(frozen=True, eq=False)
class Ceilings:
    """The highest r that can be expected of each voxel, NaN where that is unknown; and how it was found."""

    values: np.ndarray  # float64 [voxels]
    by: str

    @classmethod
    def of(cls, recordings: Recordings, by: str, fold: np.ndarray, seed: int) -> Ceilings:
        """Of repeated measurements, or of subjects (``by``); ``fold``: of every stimulus."""
        repeats = recordings.repeats
        if by == SPLIT_HALF and repeats is not None:
            return cls(split_half(repeats, fold, seed=seed), by)
        if repeats is not None and not recordings.subjects:
            return cls(between_subjects(repeats, fold), by)
        return cls(other_subjects(recordings.values, recordings.subjects, fold), by)


def split_half(repeats: np.ndarray, fold: np.ndarray, *, seed: int) -> np.ndarray:
    """The ceiling of r of each voxel: float64 [voxels], NaN where halves do not correlate above 0.

    ``repeats`` [measurements, stimuli, voxels]; ``fold``: of every stimulus.
    """
    number = len(repeats)
    halves = list(_halves(number, seed))
    r = _mean_r(((repeats[a].mean(0), repeats[b].mean(0)) for a, b in halves), fold)
    k = number / (number // 2)
    return _root(k * r / (1 + (k - 1) * r), r)


def between_subjects(repeats: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The same, of each subject against the mean of the others. ``repeats`` [subjects, stimuli, voxels]."""
    number, total = len(repeats), repeats.sum(0)
    r = _mean_r(((own, (total - own) / (number - 1)) for own in repeats), fold)
    # a^2 + n a = (n - 1)(r^-2 - 1)
    with np.errstate(divide="ignore"):
        a = (np.sqrt(number**2 + 4 * (number - 1) * (r**-2 - 1)) - number) / 2
    return _root(1 / (1 + a / number), r)


def other_subjects(voxels: np.ndarray, subjects: Sequence[str], fold: np.ndarray) -> np.ndarray:
    """How well other subjects' voxels predict each voxel: r, float64 [voxels], NaN where it is not above 0.

    ``voxels`` [stimuli, voxels], each of the subject at its place in ``subjects``.
    """
    names, found = np.array(subjects), np.full(voxels.shape[1], np.nan)
    for name in np.unique(names):
        own = names == name
        found[own] = predict(voxels[:, ~own], voxels[:, own], fold).r
    return np.where(found > 0, found, np.nan)


def _halves(number: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Two halves of ``number`` measurements, in every way, or in ``SPLITS`` ways that are drawn."""
    size = number // 2
    if comb(number, size) * comb(number - size, size) <= 2 * SPLITS:
        for first in combinations(range(number), size):
            rest = [one for one in range(number) if one not in first]
            for second in combinations(rest, size):
                if first < second:
                    yield list(first), list(second)
        return
    dice = np.random.default_rng(seed)
    for _ in range(SPLITS):
        order = dice.permutation(number).tolist()
        yield order[:size], order[size : 2 * size]


def _mean_r(pairs: Iterator[tuple[np.ndarray, np.ndarray]], fold: np.ndarray) -> np.ndarray:
    """r of every pair within every fold, averaged: [voxels]; NaN where it is never defined."""
    rows = [fold == one for one in np.unique(fold)]
    every = np.array([pearson(one[own], other[own]) for one, other in pairs for own in rows])
    return mean_known(every)


def _root(reliability: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The highest r that this reliability allows; none where measurements do not agree at all."""
    return np.sqrt(np.where(r > 0, reliability, np.nan))
