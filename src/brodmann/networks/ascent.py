"""The top of ICA's contrast: a few fixed-point steps come near it, a quasi-Newton ascent reaches it.

The contrast of unmixed signals y = W x, W orthogonal, is sum_i s_i E[G(y_i)] with G(y) = y^4 / 4 (cube) or
log cosh y, and s_i = +1 where y_i lies on the far side of a Gaussian (for the cube: kurtosis above 0), else
-1. Where signals follow no ICA model exactly, FastICA's steps approach the top slowly or circle around it:
after 200 of them the rotation still depends on the start and on rounding. The ascent (L-BFGS on the
rotations, preconditioned with the diagonal of the Hessian; Ablin, Cardoso and Gramfort 2018) comes to the
same fixed points, and to a given one from everywhere near.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch

MAX_ITERATIONS = 500
# The largest angle (radians) by which a component is thought to be away from the top.
TOLERANCE = 1e-6
_MEMORY = 8
# The curvature costs a third of an iteration and changes slowly: every so many iterations it is taken anew.
_REFRESHED = 5
_HALVINGS = 12
# Smallest curvature, as a share of FastICA's own estimate of it.
_LEAST_CURVATURE = 0.1
# Values of a chunk [components, samples].
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Moments:
    """Averages over samples at one rotation, y = W x; g is the derivative of G."""

    contrast: torch.Tensor  # [k], E[G(y_i)]
    products: torch.Tensor  # [k, k], E[g(y_i) y_j]
    slope: torch.Tensor  # [k], E[g'(y_i)]
    curvature: torch.Tensor | None = None  # [k, k], E[g'(y_i) y_j^2], where it was asked for

    @classmethod
    def at(
        cls, rotation: torch.Tensor, white: torch.Tensor, nonlinearity: str, *, curved: bool = False
    ) -> Moments:
        """Of ``rotation`` [k, k] @ ``white`` [k, samples], chunk by chunk; ``curved``: with the curvature."""
        k, samples = white.shape
        contrast, slope = white.new_zeros(k), white.new_zeros(k)
        products, curvature = white.new_zeros(k, k), white.new_zeros(k, k)
        step = max(64, _CHUNK // k)
        for start in range(0, samples, step):
            y = rotation @ white[:, start : start + step]
            squares = y * y
            if nonlinearity == "cube":
                contrast += squares.square().sum(1) / 4
                g, turn = y * squares, 3 * squares
            else:
                height = y.abs()
                contrast += (height + torch.log1p(torch.exp(-2 * height))).sum(1)
                g = torch.tanh(y)
                turn = 1 - g * g
            products += g @ y.T
            slope += turn.sum(1)
            if curved:
                curvature += turn @ squares.T
        return cls(
            contrast / samples,
            products / samples,
            slope / samples,
            curvature / samples if curved else None,
        )

    @property
    def excess(self) -> torch.Tensor:
        """E[g(y_i) y_i] - E[g'(y_i)] [k]: 0 for a Gaussian; its sign is s_i."""
        return self.products.diagonal() - self.slope


def climb(
    rotation: torch.Tensor, white: torch.Tensor, nonlinearity: str
) -> tuple[torch.Tensor, bool, int]:
    """(the rotation [k, k] at the top near ``rotation``, whether it was reached, iterations)."""
    k = len(rotation)
    if k == 1:
        return rotation, True, 0
    rows, columns = torch.triu_indices(k, k, 1, device=white.device)
    history: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=_MEMORY)
    here = Moments.at(rotation, white, nonlinearity, curved=True)
    signs: torch.Tensor | None = None
    curvature: torch.Tensor | None = None
    for iteration in range(1, MAX_ITERATIONS + 1):
        before, signs = signs, torch.where(here.excess < 0, -1.0, 1.0).to(white)
        if before is not None and (signs != before).any():
            history.clear()  # another contrast
        gradient = _gradient(here, signs)[rows, columns]
        if here.curvature is not None:
            curvature = _curvature(here, here.curvature, signs)[rows, columns]
        assert curvature is not None, "the first moments have it"
        direction = _direction(gradient, curvature, history)
        if direction @ gradient <= 0:
            history.clear()
            direction = gradient / curvature
        angle = float(direction.abs().max())
        if angle < TOLERANCE:
            return rotation, True, iteration - 1
        # A rotation by more than a radian leaves the region in which the contrast is known.
        direction = direction / max(1.0, angle)
        curved = iteration % _REFRESHED == 0
        step = _line_search(rotation, white, nonlinearity, here, signs, direction, gradient, curved)
        if step is None:
            if history:
                history.clear()
                continue
            return rotation, False, iteration
        rotation, there, moved = step
        change = gradient - _gradient(there, signs)[rows, columns]
        if moved @ change > 0:
            history.append((moved, change))
        here = there
    return rotation, False, MAX_ITERATIONS


def _gradient(here: Moments, signs: torch.Tensor) -> torch.Tensor:
    """Of the contrast along each rotation in a plane (i, j): antisymmetric [k, k]."""
    signed = signs[:, None] * here.products
    return signed - signed.T


def _curvature(here: Moments, curvature: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """Diagonal of the negative Hessian, kept positive: symmetric [k, k]."""
    own = signs * here.products.diagonal()
    turn = signs[:, None] * curvature
    exact = own[:, None] + own[None] - turn - turn.T
    excess = here.excess.abs()
    # Two Gaussian components have no preferred rotation: the bound keeps the step finite.
    least = _LEAST_CURVATURE * (excess[:, None] + excess[None])
    return torch.maximum(exact, least.clamp_min(torch.finfo(exact.dtype).eps))


def _direction(
    gradient: torch.Tensor,
    curvature: torch.Tensor,
    history: deque[tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """L-BFGS' two loops: (approximate inverse of the negative Hessian) @ gradient."""
    direction, weights = gradient.clone(), []
    for moved, change in reversed(history):
        weights.append((moved @ direction) / (moved @ change))
        direction = direction - weights[-1] * change
    direction = direction / curvature
    for (moved, change), weight in zip(history, reversed(weights), strict=True):
        direction = direction + moved * (weight - (change @ direction) / (moved @ change))
    return direction


def _line_search(
    rotation: torch.Tensor,
    white: torch.Tensor,
    nonlinearity: str,
    here: Moments,
    signs: torch.Tensor,
    direction: torch.Tensor,
    gradient: torch.Tensor,
    curved: bool,
) -> tuple[torch.Tensor, Moments, torch.Tensor] | None:
    """(new rotation, its moments, what was moved by): the first of 1, 1/2, 1/4, ... that climbs enough."""
    k = len(rotation)
    rows, columns = torch.triu_indices(k, k, 1, device=white.device)
    height, slope = float(signs @ here.contrast), float(direction @ gradient)
    rounding = 1e-13 * float(here.contrast.abs().sum())
    for halving in range(_HALVINGS):
        moved = direction / 2**halving
        plane = white.new_zeros(k, k)
        plane[rows, columns] = moved
        turned = torch.linalg.matrix_exp(plane - plane.T) @ rotation
        there = Moments.at(turned, white, nonlinearity, curved=curved)
        gain = float(signs @ there.contrast) - height
        # Near the top the gain is lost in rounding, while the gradient still shows the way.
        if gain >= 1e-4 * slope / 2**halving or (gain >= -rounding and slope < 1e3 * rounding):
            return turned, there, moved
    return None
