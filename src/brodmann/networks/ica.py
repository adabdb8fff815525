"""Independent components of a few whitened signals: FastICA's symmetric iteration, climbed to its end.

After the reduction, the iteration works on k signals only, in float64, on the CPU or a GPU alike. All
restarts take their first steps side by side as one batch of matrix products over chunks of samples that
stay in the cache; then each climbs to the top of the contrast that it is near (``ascent``).

No result hangs on the basis that the signals come in: singular vectors have arbitrary signs, and near-equal
singular values arbitrary directions. Whitening is symmetric, and starts are drawn for the rows of what was
reduced (tokens), whose scores turn as the basis does. Permuting units, rounding, threads: all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from brodmann.networks.ascent import climb

NONLINEARITIES = ("cube", "logcosh")
# Fixed-point steps before the ascent: they find the way from a random start faster.
FIRST_STEPS = 20
# Runs whose largest L1 norms differ by less than this share have come to the same.
_SAME = 1e-6
# Variances below this share of all power are not told from zero.
_DEPENDENT = 1e-12
# Values of a chunk [restarts, components, samples].
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Whitened:
    """``signals`` [n, samples] with unit covariance: ``matrix`` @ (what was given - its ``mean``).

    n is k, or less where the k signals are linearly dependent; 0 where none varies.
    """

    signals: torch.Tensor
    matrix: torch.Tensor  # [n, k]
    axes: torch.Tensor  # [k, n]: the directions of what was given that the n signals stand for


@dataclass(frozen=True)
class Runs:
    """What each restart found; ``best`` is the run whose largest component has the smallest L1 norm, among
    those that converged if any did."""

    rotations: (
        torch.Tensor
    )  # [restarts, k, k], orthogonal: components = rotation @ whitened signals
    converged: tuple[bool, ...]
    iterations: tuple[int, ...]
    best: int
    stability: np.ndarray  # [k], of the best run's components


def whiten(signals: torch.Tensor) -> Whitened:
    """Centre [k, samples] and give it unit covariance (ddof 0), turning it as little as possible.

    The covariance of singular vectors is nearly a multiple of the identity: its own axes are arbitrary, its
    inverse root is not.
    """
    mean = signals.mean(1)
    centred = signals - mean[:, None]
    squares, axes = torch.linalg.eigh(centred @ centred.T / signals.shape[1])
    # Against the power before centring: what is left of constant signals is rounding.
    kept = squares > _DEPENDENT * signals.square().sum() / signals.shape[1]
    matrix = (axes[:, kept] / squares[kept].sqrt()) @ axes[:, kept].T
    basis = torch.eye(len(matrix)).to(matrix) if kept.all() else axes[:, kept]
    matrix = basis.T @ matrix
    return Whitened(matrix @ centred, matrix, basis)


def starts(scores: torch.Tensor, restarts: int, seed: int) -> torch.Tensor:
    """Random rotations [restarts, k, k] of signals that have ``scores`` [rows, k], orthonormal columns.

    Each row gets a random weight in each component, and the scores carry it to the k signals: in another
    basis of the signals, or with other signs, the same start is the same components.
    """
    rows, k = scores.shape
    # One generator per restart: more restarts change none of the first.
    drawn = [np.random.default_rng([seed, n]).normal(size=(k, rows)) for n in range(restarts)]
    return _orthonormal(torch.stack([torch.from_numpy(one).to(scores) @ scores for one in drawn]))


def fast_ica(white: torch.Tensor, nonlinearity: str, begun: torch.Tensor) -> Runs:
    """Rotate whitened signals [k, samples] from ``begun`` [restarts, k, k] until they are as independent as
    can be."""
    rotations = begun
    for _ in range(FIRST_STEPS):
        rotations = _orthonormal(_step(rotations, white, nonlinearity))
    ends = [climb(rotation, white, nonlinearity) for rotation in rotations]
    rotations = torch.stack([rotation for rotation, _, _ in ends])
    converged = tuple(reached for _, reached, _ in ends)
    largest = torch.stack([(rotation @ white).abs().sum(1).max() for rotation in rotations]).cpu()
    usable = torch.tensor(converged) if any(converged) else torch.ones(len(ends), dtype=torch.bool)
    least = largest[usable].min() * (1 + _SAME)
    best = int(torch.argwhere(usable & (largest <= least))[0, 0])
    return Runs(
        rotations,
        converged,
        tuple(FIRST_STEPS + iterations for _, _, iterations in ends),
        best,
        stability(rotations.cpu().numpy(), best),
    )


def stability(rotations: np.ndarray, best: int) -> np.ndarray:
    """Per component of run ``best`` [k]: its mean |correlation| with the component that others have for it.

    ``rotations``: [runs, k, k]. Components are whitened signals rotated, so that their correlations are
    products of rotations; runs are matched one to one (Hungarian method). NaN if there was but one run.
    """
    others = [matched(rotations[best] @ run.T) for n, run in enumerate(rotations) if n != best]
    return np.mean(others, axis=0) if others else np.full(rotations.shape[1], np.nan)


def matched(correlations: np.ndarray) -> np.ndarray:
    """|correlation| of each row [n] with the column of [n, m] it is matched with, the sum being largest."""
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
    nearest: torch.Tensor = u @ vh
    return nearest
