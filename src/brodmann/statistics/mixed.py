"""A mixed-effects regression of pairs of tasks: crossed source and target, and what the two directions share.

    y = a + b x + source + target + pair + residual

All effects but ``a`` and ``b`` are random and normal. ``pair`` is the unordered one: what (i, j) and (j, i)
have in common. Without it a predictor that is the same in both directions, as overlap is, would count twice.

The restricted likelihood (REML) is that of any mixed model. General software takes a column for every pair
(over a thousand for 46 tasks); here the pair effect is inverted in closed form, two rows at a time, which
leaves a matrix of twice as many columns as tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

# Variances of the random effects, over the residual one, that the search starts from; the second where the
# first comes to no end. Variances, not standard deviations: the likelihood is flat where a standard deviation
# is 0, and a search would stay there.
STARTS = ((1.0, 1.0, 0.3), (0.01, 0.01, 0.01))
_LARGEST = 1e6


@dataclass(frozen=True)
class PairFit:
    """The slope of a regression over directed pairs, and what made it."""

    slope: float
    se: float
    df: int  # of the slope's t: unordered pairs less one for every task less one
    converged: bool
    ratios: tuple[float, float, float]  # variances of source, target, pair over the residual one
    # One per row: how much of the slope's error comes from it. Rows' sum over a pair is that pair's part.
    parts: np.ndarray


class _Estimate(NamedTuple):
    """Everything at given variances of the random effects."""

    loss: float  # -2 log restricted likelihood, up to a constant
    slopes: np.ndarray  # [3]: how the loss rises with each variance
    beta: np.ndarray  # [2]
    covariance: np.ndarray  # [2, 2], of beta
    random: np.ndarray  # [columns of Z]: predicted effects of sources and targets, in SDs of y


def degrees_of_freedom(source: np.ndarray, target: np.ndarray) -> int:
    """What the slope would be left with if every task had a coefficient of its own.

    A predictor that is the same in both directions knows unordered pairs only.
    """
    pairs = len(np.unique(np.sort(np.column_stack([source, target]), axis=1), axis=0))
    return pairs - len(np.union1d(source, target)) - 1


def fit_pairs(x: np.ndarray, y: np.ndarray, source: np.ndarray, target: np.ndarray) -> PairFit:
    """Fit by REML. All arrays: one value per directed pair; ``source``, ``target``: numbers of tasks, from 0.

    A directed pair stands once, never on the diagonal, and neither ``x`` nor ``y`` is constant.
    """
    data = _Moments.of(x, y, source, target)
    bounds = [(0.0, _LARGEST)] * 3
    for start in STARTS:
        best = minimize(data.loss, start, method="L-BFGS-B", jac=True, bounds=bounds)
        if best.success:
            break
    found = data.estimate(best.x)
    return PairFit(
        slope=float(found.beta[1] * data.scale),
        se=float(np.sqrt(found.covariance[1, 1]) * data.scale),
        df=degrees_of_freedom(source, target),
        converged=bool(best.success),
        ratios=(float(best.x[0]), float(best.x[1]), float(best.x[2])),
        parts=data.parts(best.x, found),
    )


@dataclass(frozen=True)
class _Moments:
    """Cross products of M = [1, x, y, Z]; Z has a column per source, then one per target.

    With B = I + r (pair indicator), M' B^-1 M is ``both`` - r / (1 + 2 r) ``summed`` + ``single`` / (1 + r).
    """

    columns: np.ndarray  # M: [rows, 3 + columns of Z]; y in units of its own SD
    partner: np.ndarray  # row of the other direction; -1 where it is missing
    both: np.ndarray  # over rows whose other direction is there
    summed: np.ndarray  # the same, of the sums over both directions
    single: np.ndarray  # over rows without the other direction
    scale: float  # SD of y

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, source: np.ndarray, target: np.ndarray) -> _Moments:
        """Put the columns side by side and take their products."""
        n, tasks = len(y), int(max(source.max(), target.max())) + 1
        random = np.zeros((n, 2 * tasks))
        random[np.arange(n), source] = 1
        random[np.arange(n), tasks + target] = 1
        scale = float(np.std(y))
        columns = np.column_stack([np.ones(n), x, (y - y.mean()) / scale, random])
        row = {pair: number for number, pair in enumerate(zip(source, target, strict=True))}
        partner = np.array([row.get((t, s), -1) for s, t in zip(source, target, strict=True)])
        paired, alone = columns[partner >= 0], columns[partner < 0]
        sums = paired + columns[partner[partner >= 0]]
        return cls(columns, partner, paired.T @ paired, paired.T @ sums, alone.T @ alone, scale)

    def loss(self, ratios: np.ndarray) -> tuple[float, np.ndarray]:
        """What the search makes small, and its slopes."""
        found = self.estimate(ratios)
        return found.loss, found.slopes

    def estimate(self, ratios: np.ndarray) -> _Estimate:
        """Coefficients and loss; ``ratios``: variances of source, target and pair, over the residual one.

        With D the variances of Z's columns, V^-1 = B^-1 - B^-1 Z (D^-1 + Z' B^-1 Z)^-1 Z' B^-1.
        """
        r = float(ratios[2])
        n, tasks = len(self.partner), self.tasks
        pairs = int((self.partner >= 0).sum()) // 2
        products = self.both - r / (1 + 2 * r) * self.summed + self.single / (1 + r)
        spread = np.repeat(np.sqrt(ratios[:2]), tasks)
        across, within = products[3:, :3], products[3:, 3:]
        factor = np.linalg.cholesky(spread[:, None] * within * spread + np.eye(2 * tasks))
        half = solve_triangular(factor, np.diag(spread), lower=True)
        inner = half.T @ half  # (D^-1 + Z' B^-1 Z)^-1, also where D is 0
        solved = inner @ across
        left = products[:3, :3] - across.T @ solved  # [1 x y]' V^-1 [1 x y]
        inverse = np.linalg.inv(left[:2, :2])
        beta = inverse @ left[:2, 2]
        residual = np.array([-beta[0], -beta[1], 1.0])
        variance = max(float(left[2] @ residual) / (n - 2), np.finfo(float).tiny)
        loss = (
            (n - 2) * np.log(variance)
            + pairs * np.log1p(2 * r)
            + (n - 2 * pairs) * np.log1p(r)
            + 2 * np.log(np.diag(factor)).sum()
            - np.linalg.slogdet(inverse)[1]
        )

        def slope(log_v: float, change: np.ndarray) -> float:
            """Where log |V| rises by ``log_v`` and ``left`` by ``change``."""
            lost = np.trace(inverse @ change[:2, :2]) + residual @ change @ residual / variance
            return float(log_v + lost)

        slopes = []
        through = across - within @ solved  # Z' V^-1 [1 x y]
        diagonal = np.diag(within) - np.einsum("ij,ji->i", within @ inner, within)
        for part in (slice(0, tasks), slice(tasks, None)):
            slopes.append(slope(diagonal[part].sum(), -through[part].T @ through[part]))
        rise = -self.summed / (1 + 2 * r) ** 2 - self.single / (1 + r) ** 2
        log_b = 2 * pairs / (1 + 2 * r) + (n - 2 * pairs) / (1 + r)
        moved = rise[:3, :3] - rise[:3, 3:] @ solved
        moved -= solved.T @ (rise[3:, :3] - rise[3:, 3:] @ solved)
        slopes.append(slope(log_b + (inner * rise[3:, 3:]).sum(), moved))
        return _Estimate(float(loss), np.array(slopes), beta, variance * inverse, solved @ residual)

    @property
    def tasks(self) -> int:
        """Z has twice as many columns."""
        return (len(self.both) - 3) // 2

    def parts(self, ratios: np.ndarray, found: _Estimate) -> np.ndarray:
        """Weight of each row in the slope times what is left of y without source and target effects."""
        weights = self._weights(ratios)
        left = self.columns[:, 2] - self.columns[:, :2] @ found.beta
        parts: np.ndarray = weights * (left - self.columns[:, 3:] @ found.random) * self.scale
        return parts

    def _weights(self, ratios: np.ndarray) -> np.ndarray:
        """The slope is these [rows] times y: a row of (X' V^-1 X)^-1 X' V^-1."""
        tasks = self.tasks
        design, random = self.columns[:, :2], self.columns[:, 3:]
        random = random * np.repeat(np.sqrt(ratios[:2]), tasks)
        inside = self._unpaired(design, ratios[2])
        inner = random.T @ self._unpaired(random, ratios[2]) + np.eye(2 * tasks)
        solved = np.linalg.solve(inner, random.T @ inside)
        inside -= self._unpaired(random, ratios[2]) @ solved
        return (inside @ np.linalg.inv(design.T @ inside))[:, 1]

    def _unpaired(self, values: np.ndarray, r: float) -> np.ndarray:
        """B^-1 times ``values`` [rows, columns]."""
        paired = (self.partner >= 0)[:, None]
        sums = values + values[self.partner]
        return np.where(paired, values - r / (1 + 2 * r) * sums, values / (1 + r))
