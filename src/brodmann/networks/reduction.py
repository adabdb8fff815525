"""The leading singular vectors of standardised signals, without the matrix ever being in memory.

Few tokens or few units: eigenvectors of the small Gram matrix, as exact as a dense SVD. Otherwise a block
Krylov method on Z^T Z: a random block of vectors and its images under Z^T Z, each image one pass over the
signals, all kept orthonormal; the best approximation within their span is refined until the residuals of
the wanted vectors are small (Musco and Musco 2015: far fewer passes than power iterations). What it holds are
a few tall matrices [units, vectors]: for 100,000 units and 10 components less than half a gigabyte.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch

from brodmann.networks.standardise import Standardised

log = logging.getLogger(__name__)

# Up to this many tokens (or units) the Gram matrix is decomposed.
EXACT_SIDE = 1024
# Vectors beside the wanted ones in a block; blocks in a subspace before it is begun anew from the best.
_MORE = 10
_BLOCKS = 12
_MAX_PASSES = 60
# Residual of an eigenpair of Z^T Z, as a share of the smallest wanted eigenvalue.
_TOLERANCE = 1e-6
# Eigenvalues below this share of the largest are not told from zero.
_RANK = 1e-12


@dataclass(frozen=True)
class Reduced:
    """The first k of Z = U S V^T; fewer where the rank is lower."""

    vectors: torch.Tensor  # V [columns, k]
    values: torch.Tensor  # S [k]
    scores: torch.Tensor  # U [tokens, k]
    how: str  # gram | krylov
    residual: float  # largest, as a share of the smallest eigenvalue


def reduce(z: Standardised, k: int, seed: int = 0, how: str | None = None) -> Reduced:
    """The k leading singular vectors and values of ``z``; ``how`` is chosen by its size if it is left out."""
    side = min(z.n_tokens, z.n_columns)
    how = how or ("gram" if side <= max(EXACT_SIDE, 2 * (k + _MORE)) else "krylov")
    if how == "krylov":
        vectors, squares, residual = _krylov(z, min(k, side), seed)
        scores = None
    elif z.n_columns <= z.n_tokens:
        vectors, squares = _leading(z.gram(), k)
        scores, residual = None, 0.0
    else:
        whole = z.whole()
        scores, squares = _leading(whole @ whole.T, k)
        vectors, residual = whole.T @ scores / squares.sqrt(), 0.0
    values = squares.sqrt()
    if scores is None:
        scores = z.product(vectors) / values
    return Reduced(vectors, values, scores, how, residual)


def _leading(gram: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest eigenvalues and their vectors, without those that are zero."""
    squares, vectors = torch.linalg.eigh(gram)
    squares, vectors = squares.flip(0), vectors.flip(1)
    k = min(k, int((squares > _RANK * squares[0]).sum()))
    return vectors[:, :k], squares[:k]


def _krylov(z: Standardised, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    width = min(k + _MORE, min(z.n_tokens, z.n_columns))
    # Drawn on the CPU: the same start on every device.
    start = torch.randn(
        z.n_columns, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    block = torch.linalg.qr(start.to(z.device) * (z.scale > 0)[:, None]).Q
    # Rows, filled one block after another: they never move.
    basis = torch.empty(_BLOCKS * width, z.n_columns, dtype=torch.float64, device=z.device)
    images = torch.empty_like(basis)
    size, residual = 0, float("inf")
    for _ in range(_MAX_PASSES):
        image = z.squared(block)
        own = slice(size, size := size + block.shape[1])
        basis[own], images[own] = block.T, image.T
        small = basis[:size] @ images[:size].T
        squares, rotation = torch.linalg.eigh((small + small.T) / 2)
        squares, rotation = squares.flip(0)[:width], rotation.flip(1)[:, :width]
        vectors, mapped = rotation.T @ basis[:size], rotation.T @ images[:size]
        rank = min(k, int((squares > _RANK * squares[0]).sum()))
        away = (mapped - squares[:, None] * vectors)[:rank].norm(dim=1)
        residual = float(away.max() / squares[rank - 1])
        if residual <= _TOLERANCE:
            break
        # Away from all that the subspace held, also from what the next one leaves: only that is new.
        block = _orthogonal(image, basis[:size])
        if not block.shape[1]:  # the subspace holds all there is
            break
        if size + width > len(basis):
            size = len(vectors)
            basis[:size], images[:size] = vectors, mapped
    else:
        log.warning("SVD: residual %.1e after %d passes over the signals", residual, _MAX_PASSES)
    return vectors[:rank].T, squares[:rank], residual


def _orthogonal(block: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """The block's part outside the basis (rows), orthonormal; what that holds already is left out."""
    norms = block.norm(dim=0)
    block = block[:, norms > 0] / norms[norms > 0]
    for _ in range(2):  # twice is enough
        block = block - basis.T @ (basis @ block)
        q, r = torch.linalg.qr(block)
        block = q[:, r.diagonal().abs() > 1e-13]
    return block
