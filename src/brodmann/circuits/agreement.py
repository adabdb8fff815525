"""How well an estimate of units' effects agrees with the truth, on the units that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr


@dataclass(frozen=True)
class Agreement:
    """Of one estimator with true activation patching, over the sampled units of one task."""

    rank_correlation: float  # Spearman
    sign_agreement: float  # share of units, among those with a true effect
    mask_agreement: float  # share of the mask that is among as many truly strongest sampled units
    n_units: int


def agreement(estimate: np.ndarray, exact: np.ndarray, in_mask: np.ndarray) -> Agreement:
    """``estimate`` and ``exact`` are effects [units]; ``in_mask`` says which units the mask holds."""
    varied = len(set(estimate.tolist())) > 1 and len(set(exact.tolist())) > 1
    effective = exact != 0
    k = int(in_mask.sum())
    truly = set(np.argsort(-np.abs(exact), kind="stable")[:k].tolist())
    # The mask that this estimator would choose among the sampled units.
    chosen = set(np.argsort(-np.abs(estimate), kind="stable")[:k].tolist())
    return Agreement(
        rank_correlation=float(spearmanr(estimate, exact)[0]) if varied else float("nan"),
        sign_agreement=float((np.sign(estimate) == np.sign(exact))[effective].mean())
        if effective.any()
        else float("nan"),
        mask_agreement=len(truly & chosen) / k if k else float("nan"),
        n_units=len(exact),
    )
