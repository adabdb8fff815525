"""The order that puts units of one domain side by side, layer by layer."""

from __future__ import annotations

import numpy as np

from brodmann.atlas.contract import Order

# Shares of |attribution| are counted in this part of the model's whole. Sums of whole numbers are the same in
# whatever order they are added, on whatever processor.
GRAIN = 2.0**-40
HOW = (
    "Every task's |attribution| is divided by its sum over the model, and averaged over the tasks of a domain. "
    "A unit belongs to the domain in which this share is largest, and there to the task in which it is. "
    "Each layer is ordered by domain, then by task, then by the unit's share in that task, largest first; "
    "units without any attribution stand last, and equal ones stand by their index."
)


def shares(scores: np.ndarray) -> np.ndarray:
    """Each task's |attribution| as a share of its sum over the model, in grains: int64, as ``scores`` [tasks,
    layers, width]."""
    found = np.empty(scores.shape, dtype=np.int64)
    for row, own in enumerate(scores):
        size = np.abs(own, dtype=np.float64)
        total = size.sum()
        found[row] = np.rint(size / (total * GRAIN)) if total > 0 else 0
    return found


def domain_shares(grains: np.ndarray, domain_of_task: np.ndarray, count: int) -> np.ndarray:
    """Means over the tasks of each domain, times a common multiple that keeps them whole: int64 [domains,
    layers, width]. ``grains``: of ``shares``."""
    sizes = np.bincount(domain_of_task, minlength=count)
    common = int(np.lcm.reduce(sizes[sizes > 0])) if len(domain_of_task) else 1
    found = np.zeros((count, *grains.shape[1:]), dtype=np.int64)
    for row, domain in enumerate(domain_of_task):
        found[domain] += grains[row] * (common // int(sizes[domain]))
    return found


def domain_order(scores: np.ndarray, domain_of_task: np.ndarray) -> Order:
    """``scores`` [tasks, layers, width]; ``domain_of_task``: index of each task's domain."""
    _, layers, width = scores.shape
    kind = np.uint16 if width <= np.iinfo(np.uint16).max else np.int32
    if not len(scores):
        return Order(np.tile(np.arange(width, dtype=kind), (layers, 1)), HOW)
    grains = shares(scores)
    domains = domain_shares(grains, domain_of_task, int(domain_of_task.max()) + 1)
    dominant = domains.argmax(0)
    # The strongest task among those of the dominant domain: others are put below everything.
    best = np.full((layers, width), -1, dtype=np.int64)
    task = np.zeros((layers, width), dtype=np.int64)
    for row, domain in enumerate(domain_of_task):
        better = (dominant == domain) & (grains[row] > best)
        best[better], task[better] = grains[row][better], row
    silent = domains.max(0) == 0
    index = np.tile(np.arange(width), (layers, 1))
    # The last key is the first that decides.
    found = np.lexsort((index, -best, task, dominant, silent), axis=1)
    return Order(found.astype(kind), HOW)
