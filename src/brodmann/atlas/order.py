"""The order that puts units of one domain side by side, layer by layer."""

from __future__ import annotations

import numpy as np

from brodmann.atlas.contract import Order

# Attributions are counted in this part (a power of two) of the largest one, shares in this part of the whole.
# Whole numbers have the same sum in whatever order they are added, on whatever processor.
GRAINS = 40
HOW = (
    "Every task's |attribution| is divided by its sum over the model and averaged over a domain's tasks. "
    "A unit belongs to the domain in which this share is largest, and there to the task in which it is. "
    "Each layer is ordered by domain, then by task, then by the unit's share in that task, largest first; "
    "units without any attribution stand last, and equal ones stand by their index."
)


def shares(scores: np.ndarray) -> np.ndarray:
    """One task's |attribution| as a share of its sum over the model, in grains: int64 [layers, width]."""
    size = np.abs(scores, dtype=np.float64)
    _, exponent = np.frexp(size.max(initial=0.0))
    counted = np.rint(np.ldexp(size, GRAINS - exponent))
    total = counted.astype(np.int64).sum()
    found: np.ndarray = np.rint(np.ldexp(counted / max(total, 1), GRAINS)).astype(np.int64)
    return found


def domain_shares(scores: np.ndarray, domain_of_task: np.ndarray, count: int) -> np.ndarray:
    """Means of the shares over the tasks of each domain, in grains: int64 [domains, layers, width].

    ``scores`` [tasks, layers, width].
    """
    found = np.zeros((count, *scores.shape[1:]), dtype=np.int64)
    for own, domain in zip(scores, domain_of_task, strict=True):
        found[domain] += shares(own)
    sizes = np.bincount(domain_of_task, minlength=count) if len(scores) else np.zeros(count)
    found //= np.maximum(sizes, 1).astype(np.int64)[:, None, None]
    return found


def domain_order(scores: np.ndarray, domain_of_task: np.ndarray) -> Order:
    """``scores`` [tasks, layers, width]; ``domain_of_task``: index of each task's domain."""
    _, layers, width = scores.shape
    kind = np.uint16 if width <= np.iinfo(np.uint16).max else np.int32
    if not len(scores):
        return Order(np.tile(np.arange(width, dtype=kind), (layers, 1)), HOW)
    domains = domain_shares(scores, domain_of_task, int(domain_of_task.max()) + 1)
    dominant = domains.argmax(0)
    # The strongest task among those of the dominant domain: others are put below everything.
    best = np.full((layers, width), -1, dtype=np.int64)
    task = np.zeros((layers, width), dtype=np.int64)
    for row, domain in enumerate(domain_of_task):
        grains = shares(scores[row])
        better = (dominant == domain) & (grains > best)
        best[better], task[better] = grains[better], row
    silent = domains.max(0) == 0
    index = np.tile(np.arange(width), (layers, 1))
    # The last key is the first that decides.
    found = np.lexsort((index, -best, task, dominant, silent), axis=1)
    return Order(found.astype(kind), HOW)
