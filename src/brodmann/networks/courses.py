"""Courses of networks over texts: how they go together, within a model and between two.

A *mean course* is the mean signal of a network's units at each token. Connectivity correlates the courses of
a model's networks (Pearson, standardised signals, all texts one after the other); a fingerprint those of two
models (Spearman, raw signals, text by text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from brodmann.networks.pieces import segments

# Pairs of networks that go together more closely than this are counted.
CLOSE = 0.5


def mean_courses(signals: np.ndarray, members: np.ndarray) -> np.ndarray:
    """float64 [tokens, networks] of signals [tokens, layers, units]; NaN for a network without units."""
    flat = members.reshape(len(members), -1).astype(np.float64)
    sizes = flat.sum(1)
    values = np.asarray(signals, dtype=np.float64).reshape(len(signals), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes > 0, values @ flat.T / sizes, np.nan)


def connectivity(courses: np.ndarray) -> np.ndarray:
    """Pearson's r of all columns of [tokens, networks]; NaN where a course is constant."""
    return correlations(courses, courses)


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's r of the columns of [tokens, n] and [tokens, m]: [n, m]."""
    parts = []
    for values in (one, other):
        centred = values - values.mean(0)
        norm = np.sqrt((centred**2).sum(0))
        # Rounding leaves next to nothing of a constant.
        flat = norm <= 1e-12 * np.sqrt((values**2).sum(0))
        parts.append(np.where(flat, np.nan, centred / np.where(flat, 1.0, norm)))
    r: np.ndarray = np.clip(parts[0].T @ parts[1], -1.0, 1.0)
    return r


def spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rank correlation of the columns of [tokens, n] and [tokens, m]: [n, m]."""
    found = correlations(*[rankdata(values, axis=0) for values in (one, other)])
    return _without(found, one, other)


def _without(found: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """NaN where a course is none."""
    found = found.copy()
    found[~np.isfinite(one).all(0), :] = np.nan
    found[:, ~np.isfinite(other).all(0)] = np.nan
    return found


@dataclass(frozen=True)
class Followed:
    """Mean courses [tokens, networks] over one text, and where each token ends in it."""

    courses: np.ndarray
    ends: Sequence[int]


def aligned(one: Followed, other: Followed) -> tuple[np.ndarray, np.ndarray]:
    """Both models' courses over the same stretches of text, means over the tokens of each: [stretches, n] and
    [stretches, m]."""
    first, second, count = segments(one.ends, other.ends)
    return _means(one.courses, first, count), _means(other.courses, second, count)


def _means(courses: np.ndarray, numbers: Sequence[int], count: int) -> np.ndarray:
    places = np.asarray(numbers, dtype=np.int64)
    total = np.zeros((count, courses.shape[1]))
    np.add.at(total, places[places >= 0], courses[places >= 0])
    sizes = np.bincount(places[places >= 0], minlength=count)
    return total / np.maximum(sizes, 1)[:, None]


def connectivity_between(
    one: Sequence[Followed], other: Sequence[Followed]
) -> tuple[np.ndarray, int]:
    """Pearson's r of two models' networks [n, m], all texts one after the other; and the common stretches."""
    pairs = [aligned(own, theirs) for own, theirs in zip(one, other, strict=True)]
    first, second = (np.concatenate(own) for own in zip(*pairs, strict=True))
    if len(first) < 3:
        return np.full((first.shape[1], second.shape[1]), np.nan), len(first)
    return _without(correlations(first, second), first, second), len(first)


@dataclass(frozen=True)
class Fingerprint:
    """Spearman's rho of the networks of two models, averaged over texts: [n, m]."""

    rho: np.ndarray
    n_texts: int

    @property
    def best(self) -> tuple[int, int, float]:
        """The closest pair and its rho."""
        if not np.isfinite(self.rho).any():
            return -1, -1, float("nan")
        one, other = np.unravel_index(np.nanargmax(self.rho), self.rho.shape)
        return int(one), int(other), float(self.rho[one, other])

    @property
    def close(self) -> int:
        """Pairs above 0.5."""
        return int((np.nan_to_num(self.rho, nan=-1.0) > CLOSE).sum())


def fingerprint(one: Sequence[Followed], other: Sequence[Followed]) -> Fingerprint:
    """Of two models over the same texts; a text of fewer than three common stretches says nothing."""
    found = []
    for own, theirs in zip(one, other, strict=True):
        pair = aligned(own, theirs)
        if len(pair[0]) >= 3:
            found.append(spearman(*pair))
    shape = (one[0].courses.shape[1], other[0].courses.shape[1]) if one else (0, 0)
    if not found:
        return Fingerprint(np.full(shape, np.nan), 0)
    stack = np.stack(found)
    counts = np.isfinite(stack).sum(0)
    mean = np.nansum(stack, axis=0) / np.maximum(counts, 1)
    return Fingerprint(np.where(counts > 0, mean, np.nan), len(found))
