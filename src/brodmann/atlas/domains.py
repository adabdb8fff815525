"""Which domains units are of: by shares of attribution, and by the circuits that hold them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brodmann.atlas.bins import padded
from brodmann.atlas.contract import Domains
from brodmann.atlas.order import domain_shares

NONE = 255
HOW = (
    "Every task's |attribution| is divided by its sum over the model and averaged over a domain's tasks. "
    "dominant: the domain in which a unit has the largest part; share: this as a part of all domains'; "
    "strength: all domains', as a multiple of the mean unit's; circuits: how many tasks of a domain have the "
    "unit in their circuit of the main size."
)


def domains_of(
    scores: np.ndarray, members: np.ndarray, domain_of_task: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shares (int64) and circuits (u16) of every domain and unit: two arrays [domains, layers, width].

    ``members``: bool [tasks, layers, width].
    """
    found = domain_shares(scores, domain_of_task, count)
    circuits = np.zeros(found.shape, dtype=np.uint16)
    for row, domain in enumerate(domain_of_task):
        circuits[domain] += members[row]
    return found, circuits


def whole(
    found: tuple[np.ndarray, np.ndarray], size: int, order: np.ndarray | None = None
) -> Domains:
    """The file: of cells of ``size`` units; with ``order``, also of cells in this order."""
    own = _of_cells(*found, size)
    if order is None:
        return own
    places = order.astype(np.int64)[None]
    ordered = [np.take_along_axis(one, places, 2) for one in found]
    return replace(own, domain_order=_of_cells(ordered[0], ordered[1], size))


def _of_cells(parts: np.ndarray, circuits: np.ndarray, size: int) -> Domains:
    if size > 1:
        parts, circuits = (padded(one, size).sum(-1) for one in (parts, circuits))
    total = parts.sum(0)
    dominant = parts.argmax(0) if len(parts) else np.zeros(total.shape, dtype=np.int64)
    largest = parts.max(0) if len(parts) else total
    mean = total.mean() or 1.0
    return Domains(
        dominant=np.where(total > 0, dominant, NONE).astype(np.uint8),
        share=(largest / np.maximum(total, 1)).astype(np.float32),
        strength=(total / mean).astype(np.float32),
        circuits=np.minimum(circuits, np.iinfo(np.uint16).max).astype(np.uint16),
        how=HOW,
        size=size,
    )
