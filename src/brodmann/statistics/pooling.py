"""One slope from several models' slopes: random effects by REML, the interval of Hartung and Knapp.

    slope of model m = mean + what is m's own (SD tau) + error of m (its SE)

The mean is about models like these, not about these: its error holds tau. Errors of models may be correlated,
for all are about the same tasks. What models share of their errors cannot be seen in how far their slopes
lie apart (two copies of a model have the same slope): it is known from the standard errors alone, and only
the rest is scaled by the spread. The degrees of freedom of its t are Satterthwaite's: models less one for
the rest, those of the models' own regressions for what is shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

# Errors that are more alike than that would leave nothing between models to tell tau by.
MOST_SHARED = 0.95


@dataclass(frozen=True)
class Pooled:
    """The mean slope, and how far models' own slopes lie apart."""

    mean: float
    se: float
    df: float
    tau: float  # SD of slopes over models, their errors taken out


def pool(
    slopes: np.ndarray, errors: np.ndarray, shared: float, error_df: float = float("inf")
) -> Pooled:
    """Pool two slopes or more. ``errors``: their standard errors, of ``error_df`` degrees of freedom;
    ``shared``: how errors correlate.

    The mean weighs models by 1 / (SE^2 + tau^2). The part of its variance that is not shared is scaled by how
    far slopes lie apart over how far they should (Hartung-Knapp): with few models tau is often found to be 0
    where it is not.
    """
    slopes, errors = np.asarray(slopes, dtype=float), np.asarray(errors, dtype=float)
    k = len(slopes)
    common = shared * np.outer(errors, errors)
    own = np.diag((1 - shared) * errors**2)
    tau = _tau(slopes, common + own)
    own += tau**2 * np.eye(k)
    weights = 1 / np.diag(common + own)
    weights /= weights.sum()
    mean = float(weights @ slopes)
    # Slopes about their mean: found, and expected.
    centred = np.eye(k) - weights
    found = weights @ (centred @ slopes) ** 2
    expected = weights @ np.diag(centred @ (common + own) @ centred.T)
    known, rest = weights @ common @ weights, weights @ own @ weights
    variance = known + rest * found / expected
    # Slopes that lie near each other by chance are no reason for more degrees of freedom.
    rest *= max(1.0, found / expected)
    df = (known + rest) ** 2 / (known**2 / error_df + rest**2 / (k - 1))
    return Pooled(mean, float(np.sqrt(variance)), float(df), tau)


def _tau(slopes: np.ndarray, noise: np.ndarray) -> float:
    """The SD between models at which the restricted likelihood is largest; 0 at the least."""
    one = np.ones(len(slopes))

    def loss(tau: float) -> float:
        inverse = np.linalg.inv(noise + tau**2 * np.eye(len(slopes)))
        information = one @ inverse @ one
        left = slopes - one @ inverse @ slopes / information
        _, determinant = np.linalg.slogdet(inverse)
        return float(left @ inverse @ left - determinant + np.log(information))

    most = 10 * float(np.std(slopes)) + float(np.sqrt(np.diag(noise)).max())
    found = minimize_scalar(
        loss, bounds=(0, most), method="bounded", options={"xatol": 1e-6 * most}
    )
    return float(found.x) if found.fun < loss(0) else 0.0


def shared_errors(parts: Mapping[str, pd.Series]) -> float:
    """The correlation of two models' errors, on average over all two; 0 at the least.

    ``parts``: model -> unordered pair of tasks -> its part in the error of the model's slope.
    """
    found = []
    for first, second in combinations(parts.values(), 2):
        a, b = first.align(second, join="inner")
        spread = np.sqrt((a**2).sum() * (b**2).sum())
        if spread > 0:
            found.append(float((a * b).sum() / spread))
    return float(np.clip(np.mean(found), 0, MOST_SHARED)) if found else 0.0
