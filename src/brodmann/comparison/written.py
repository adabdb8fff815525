"""Do circuits write on localized units? Their neurons' written shares against others of the same layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brodmann.tasks.catalogue import domain_of

COLUMNS = ("task", "domain", "n", "share", "chance", "ratio", "draws", "seed", "p", "q")
DRAWS = 1000


def written_rows(
    share: np.ndarray, masks: Mapping[str, np.ndarray], *, seed: int
) -> list[dict[str, Any]]:
    """A row per task. ``share`` [layers, neurons] of ``runner.writing``; ``masks``: flat neurons.

    ``share``: mean over the circuit's neurons; ``chance``: mean over as many random neurons of the same
    layers, ``draws`` times; ``p`` = (1 + draws that reach the share) / (1 + draws), one-sided.
    """
    from brodmann.significance.fdr import with_q

    rows = []
    for task, units in masks.items():
        layers, neurons = np.divmod(units, share.shape[1])
        own = share[layers, neurons].astype(np.float64)
        known = np.isfinite(own)
        row: dict[str, Any] = {
            "task": task,
            "domain": domain_of(task),
            "n": int(known.sum()),
            "draws": DRAWS,
            "seed": seed,
        }
        if known.any():
            observed = float(own[known].mean())
            null = _matched(share, layers[known], np.random.default_rng(seed))
            chance = float(null.mean())
            row |= {
                "share": observed,
                "chance": chance,
                "ratio": observed / chance if chance else float("nan"),
                "p": float((1 + (null >= observed - 1e-12).sum()) / (1 + DRAWS)),
            }
        rows.append(row)
    return with_q(rows)


def _matched(share: np.ndarray, layers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mean share of random neurons, as many of each layer as ``layers`` has: [draws]."""
    total = np.zeros(DRAWS)
    for layer, count in zip(*np.unique(layers, return_counts=True), strict=True):
        values = share[layer][np.isfinite(share[layer])].astype(np.float64)
        # With replacement: circuits are a small part of a layer.
        total += values[rng.integers(len(values), size=(DRAWS, count))].sum(1)
    return total / len(layers)
