"""Independent components of a few whitened signals: FastICA's symmetric fixed-point iteration.

After the reduction, the iteration works on k signals only. All restarts run side by side as one batch of
matrix products over chunks of samples that stay in the cache, in float64, on the CPU or a GPU alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

NONLINEARITIES = ("cube", "logcosh")
MAX_ITERATIONS = 300
TOLERANCE = 1e-7
# Values of a chunk [restarts, components, samples].
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Whitened:
    """``signals`` [k, samples] with unit covariance: ``matrix`` @ (what was given - its ``mean``)."""

    signals: torch.Tensor
    matrix: torch.Tensor  # [k, k]
    mean: torch.Tensor  # [k]


@dataclass(frozen=True)
class Runs:
    """What each restart found; ``best`` is the run whose largest component has the smallest L1 norm."""

    rotations: (
        torch.Tensor
    )  # [restarts, k, k], orthogonal: components = rotation @ whitened signals
    converged: tuple[bool, ...]
    iterations: tuple[int, ...]
    best: int
    stability: np.ndarray  # [k], of the best run's components


def whiten(signals: torch.Tensor) -> Whitened:
    """Centre [k, samples] and give it unit covariance (ddof 0)."""
    mean = signals.mean(1)
    centred = signals - mean[:, None]
    squares, axes = torch.linalg.eigh(centred @ centred.T / signals.shape[1])
    kept = squares > 1e-12 * squares[-1]
    matrix = (axes[:, kept] / squares[kept].sqrt()).T.flip(0)
    return Whitened(matrix @ centred, matrix, mean)


def fast_ica(white: torch.Tensor, nonlinearity: str, restarts: int, seed: int) -> Runs:
    """Rotate whitened signals [k, samples] so that they are as independent as can be."""
    k = len(white)
    # One generator per restart: more restarts change none of the first.
    starts = [np.random.default_rng([seed, n]).normal(size=(k, k)) for n in range(restarts)]
    rotations = _orthonormal(torch.from_numpy(np.stack(starts)).to(white.device))
    running = torch.arange(restarts)
    iterations = np.full(restarts, MAX_ITERATIONS)
    converged = np.zeros(restarts, dtype=bool)
    for iteration in range(1, MAX_ITERATIONS + 1):
        current = rotations[running]
        moved = _orthonormal(_step(current, white, nonlinearity))
        change = ((moved * current).sum(-1).abs() - 1).abs().amax(-1).cpu()
        rotations[running] = moved
        done = running[change < TOLERANCE].numpy()
        converged[done], iterations[done] = True, iteration
        running = running[change >= TOLERANCE]
        if not len(running):
            break
    largest = torch.stack([(rotation @ white).abs().sum(1).max() for rotation in rotations])
    # Runs that came to the same components differ by rounding only: the first of them is taken.
    best = int(torch.argwhere(largest <= largest.min() * (1 + 1e-9))[0, 0])
    found = rotations.cpu().numpy()
    return Runs(
        rotations,
        tuple(map(bool, converged)),
        tuple(map(int, iterations)),
        best,
        stability(found, best),
    )


def stability(rotations: np.ndarray, best: int) -> np.ndarray:
    """Per component of one run: its mean |correlation| with the component that other runs have for it.

    Components are whitened signals rotated, so that their correlations are products of rotations; runs are
    matched one to one (Hungarian method). NaN if there was but one run.
    """
    others = [matched(rotations[best] @ run.T) for n, run in enumerate(rotations) if n != best]
    return np.mean(others, axis=0) if others else np.full(rotations.shape[1], np.nan)


def matched(correlations: np.ndarray) -> np.ndarray:
    """|correlation| of each row with the column it is matched with, the sum being largest."""
    height = np.abs(correlations)
    rows, columns = linear_sum_assignment(-height)
    found = np.zeros(len(height))
    found[rows] = height[rows, columns]
    return found


def _step(rotations: torch.Tensor, white: torch.Tensor, nonlinearity: str) -> torch.Tensor:
    """E[g(y) x^T] - E[g'(y)] W for every run, y = W x."""
    runs, k, _ = rotations.shape
    flat = rotations.reshape(runs * k, k)
    samples = white.shape[1]
    total = torch.zeros_like(flat)
    slope = flat.new_zeros(runs * k)
    step = max(64, _CHUNK // (runs * k))
    for start in range(0, samples, step):
        part = white[:, start : start + step]
        y = flat @ part
        if nonlinearity == "cube":
            squares = y * y
            slope += 3 * squares.sum(1)
            total += y.mul_(squares) @ part.T
        else:
            g = torch.tanh(y)
            slope += g.shape[1] - (g * g).sum(1)
            total += g @ part.T
    return ((total - slope[:, None] * flat) / samples).reshape(runs, k, k)


def _orthonormal(matrices: torch.Tensor) -> torch.Tensor:
    """(W W^T)^(-1/2) W: the nearest orthogonal matrices."""
    u, _, vh = torch.linalg.svd(matrices)
    return u @ vh
