"""Cells of several units: models have millions, and a screen has a few thousand pixels a row."""

from __future__ import annotations

import numpy as np

from brodmann.atlas.contract import Bins

# Cells per layer, at most.
MOST_CELLS = 2048


def cells(width: int) -> int:
    """Units per cell, so that a layer has at most ``MOST_CELLS`` cells."""
    return max(1, -(-width // MOST_CELLS))


def padded(values: np.ndarray, size: int, fill: float = 0) -> np.ndarray:
    """[..., width] as [..., cells, size]; what is beyond the width is ``fill``."""
    width = values.shape[-1]
    count = -(-width // size)
    room = [(0, 0)] * (values.ndim - 1) + [(0, count * size - width)]
    return np.pad(values, room, constant_values=fill).reshape(*values.shape[:-1], count, size)


def sizes(width: int, size: int) -> np.ndarray:
    """Units in each cell [cells]."""
    found: np.ndarray = padded(np.ones(width, dtype=np.int64), size).sum(-1)
    return found


def binned(
    scores: np.ndarray, members: np.ndarray, size: int, order: np.ndarray | None = None
) -> Bins:
    """``scores`` [layers, width] in bins; ``members``: bool, of the main circuit. ``order``: of the units in
    each layer, else by index."""
    if order is not None:
        scores, members = (
            np.take_along_axis(one, order.astype(np.int64), 1) for one in (scores, members)
        )
    groups = padded(scores, size)
    at = np.abs(groups).argmax(-1)
    largest = np.take_along_axis(groups, at[..., None], -1)[..., 0]
    mean = groups.sum(-1, dtype=np.float64) / sizes(scores.shape[1], size)

    def count(which: np.ndarray) -> np.ndarray:
        found: np.ndarray = padded(which, size).sum(-1).astype(np.uint16)
        return found

    return Bins(
        width=groups.shape[1],
        size=size,
        max=largest.astype(np.float32),
        mean=mean.astype(np.float32),
        count=count(members),
        positive=count(scores > 0),
        negative=count(scores < 0),
    )
