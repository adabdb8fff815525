"""Signals with known networks: independent courses over tokens, each on units of its own."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Planted:
    """``values`` [tokens, units] = ``courses`` [tokens, k] @ ``maps`` [k, units] + noise."""

    values: np.ndarray
    courses: np.ndarray
    maps: np.ndarray
    owned: np.ndarray  # bool [k, units]


def planted(tokens=400, units=900, k=5, size=30, noise=0.3, seed=0, dtype=np.float32):
    """Sparse maps of ``size`` units each, and non-Gaussian courses."""
    dice = np.random.default_rng(seed)
    owned = np.zeros((k, units), dtype=bool)
    for row, chosen in zip(
        owned, dice.permutation(units)[: k * size].reshape(k, size), strict=True
    ):
        row[chosen] = True
    maps = owned * dice.uniform(0.8, 1.2, (k, units))
    courses = dice.laplace(size=(tokens, k)) * np.linspace(2.0, 1.4, k)
    values = courses @ maps + noise * dice.normal(size=(tokens, units))
    return Planted(values.astype(dtype), courses, maps, owned)


def matching(found, true):
    """|correlation| of each of ``true`` with the one of ``found`` that it is matched with (Hungarian)."""
    k = len(true)
    height = np.abs(np.corrcoef(np.asarray(true), np.asarray(found))[:k, k:])
    rows, columns = linear_sum_assignment(-height)
    return height[rows, columns]
