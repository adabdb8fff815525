"""Overlap of thousands of binary maps, by one sparse matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

# Maps that are multiplied at a time: products of dense maps are dense.
_ROWS = 4096


def sparse(maps: np.ndarray | csr_array) -> csr_array:
    """Binary maps [maps, ...] as rows of a sparse matrix of ones."""
    if not isinstance(maps, np.ndarray):
        return maps
    flat = maps.reshape(len(maps), int(np.prod(maps.shape[1:]))) != 0
    rows, columns = np.nonzero(flat)
    starts = np.searchsorted(rows, np.arange(len(maps) + 1))
    return from_units(columns, starts, flat.shape[1])


def from_units(units: np.ndarray, starts: Sequence[int] | np.ndarray, n_units: int) -> csr_array:
    """Maps given by their members, one after another: map i is ``units[starts[i] : starts[i + 1]]``."""
    ones = np.ones(len(units), dtype=np.float32)
    return csr_array((ones, units, starts), shape=(len(starts) - 1, n_units))


def iou(a: np.ndarray | csr_array, b: np.ndarray | csr_array) -> np.ndarray:
    """|A and B| / |A or B| of every map of ``a`` with every one of ``b`` [a, b]; 0 for two empty maps."""
    first, second = sparse(a), sparse(b)
    sizes = [np.diff(maps.indptr).astype(np.float64) for maps in (first, second)]
    found = np.empty((first.shape[0], second.shape[0]))
    turned = second.T.tocsr()
    for start in range(0, first.shape[0], _ROWS):
        part = slice(start, start + _ROWS)
        shared = (first[part] @ turned).toarray().astype(np.float64)
        union = sizes[0][part, None] + sizes[1][None] - shared
        found[part] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found
