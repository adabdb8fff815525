"""Signals as they are decomposed: centred, scaled, and multiplied with without ever being written out.

Standardised signals are Z = R (X - 1 m^T) D, with the columns' means m, D = 1 / SD (or 1), and R = 1 / length
of each row (or 1). Products with Z are products with X and corrections: one pass over the blocks of X each,
in float64. SDs have ddof 0; a constant column gets SD 1, so that it is 0 in Z.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from brodmann.errors import UserError
from brodmann.networks.signals import Signals

# A column whose SD is no more than this share of its mean is constant, but for rounding to float32.
_ROUNDING = 1e-7
# Signals up to this size in float64 are converted once, not in every pass.
KEPT_BYTES = 1 << 30


class Standardised:
    """Z of some columns of signals. Two passes are made at once: means and SDs, then lengths."""

    def __init__(
        self,
        signals: Signals,
        columns: slice = slice(None),
        *,
        zscore: bool = True,
        row_norm: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.signals, self.columns, self.row_norm = signals, columns, row_norm
        self.device = torch.device(device)
        self.n_columns = len(range(*columns.indices(signals.layout.n_columns)))
        self.n_tokens = signals.n_tokens
        self.passes = 0
        self._kept: list[tuple[int, torch.Tensor]] = []
        self.mean, self.sd, sums = self._moments()
        self.constant = self.sd == 0
        divisor = torch.where(self.constant, 1.0, self.sd) if zscore else torch.ones_like(self.sd)
        # A constant column is zero in Z, whatever rounding leaves of it.
        self.scale = torch.where(self.constant, 0.0, 1 / divisor)
        self.rows = torch.ones(self.n_tokens, dtype=torch.float64, device=self.device)
        if row_norm:
            squares = self._row_squares()
            self.rows = torch.where(squares > 0, squares.rsqrt(), 1.0)
            self.total = float((self.rows.square() * squares).sum())
        else:
            self.total = float((sums * self.scale.square()).sum())

    def product(self, vectors: torch.Tensor) -> torch.Tensor:
        """Z V [tokens, n] of V [columns, n]."""
        scaled = self.scale[:, None] * vectors
        shift = self.mean @ scaled
        parts = [self._times(start, block, scaled, shift) for start, block in self._blocks()]
        return torch.cat(parts)

    def squared(self, vectors: torch.Tensor) -> torch.Tensor:
        """Z^T Z V [columns, n] of V [columns, n], in one pass."""
        scaled = self.scale[:, None] * vectors
        shift = self.mean @ scaled
        total = torch.zeros_like(vectors)
        weights = vectors.new_zeros(vectors.shape[1])
        for start, block in self._blocks():
            rows = self.rows[start : start + len(block), None]
            weighted = rows * self._times(start, block, scaled, shift)
            total += block.T @ weighted
            weights += weighted.sum(0)
        return self.scale[:, None] * (total - torch.outer(self.mean, weights))

    def whole(self) -> torch.Tensor:
        """Z itself [tokens, columns]: for few tokens."""
        parts = [
            self.rows[start : start + len(block), None] * ((block - self.mean) * self.scale)
            for start, block in self._blocks()
        ]
        return torch.cat(parts)

    def gram(self) -> torch.Tensor:
        """Z^T Z [columns, columns]: for few columns."""
        total = torch.zeros(self.n_columns, self.n_columns, dtype=torch.float64, device=self.device)
        for start, block in self._blocks():
            rows = self.rows[start : start + len(block), None]
            part = rows * ((block - self.mean) * self.scale)
            total += part.T @ part
        return total

    def _blocks(self) -> Iterator[tuple[int, torch.Tensor]]:
        self.passes += 1
        if self._kept:
            yield from self._kept
            return
        kept = 8 * self.n_tokens * self.n_columns <= KEPT_BYTES
        for start, block in self.signals.blocks(self.columns):
            values = torch.from_numpy(np.ascontiguousarray(block)).to(self.device).double()
            if kept:
                self._kept.append((start, values))
            yield start, values

    def _times(
        self, start: int, block: torch.Tensor, scaled: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        return self.rows[start : start + len(block), None] * (block @ scaled - shift)

    def _moments(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, SD and sum of squared deviations of each column (Chan, Golub and LeVeque 1979)."""
        count = 0
        mean = torch.zeros(self.n_columns, dtype=torch.float64, device=self.device)
        squares = torch.zeros_like(mean)
        for start, block in self._blocks():
            variance, own = torch.var_mean(block, 0, correction=0)
            if not torch.isfinite(variance).all():
                bad = start + int(torch.argwhere(~torch.isfinite(block))[0, 0])
                raise UserError.at(
                    "signals",
                    f"an activation at token {bad + 1} is not finite",
                    "the model's weights or dtype are at fault; try dtype: float32",
                )
            shift, total = own - mean, count + len(block)
            squares += len(block) * (variance + shift.square() * (count / total))
            mean += shift * (len(block) / total)
            count = total
        sd = (squares / max(1, count)).sqrt()
        constant = sd <= _ROUNDING * mean.abs()
        return mean, torch.where(constant, 0.0, sd), squares

    def _row_squares(self) -> torch.Tensor:
        parts = [((block - self.mean) * self.scale).square().sum(1) for _, block in self._blocks()]
        return torch.cat(parts)
