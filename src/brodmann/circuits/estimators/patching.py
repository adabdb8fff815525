"""Attribution patching: the effect of putting back a clean activation, at first order.

For unit u of one item, at the last prompt token (or at more tokens, summed)::

    contribution_u = (clean activation_u - corrupted activation_u) * d metric / d activation_u

with the gradient on the corrupted run; positive: putting the clean value back moves the metric towards
the clean answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brodmann.circuits.estimators.interface import Estimator, SiteValues

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor, Chunk
    from brodmann.runner.queries import Place


@dataclass(frozen=True)
class Patching(Estimator):
    """One forward and backward pass gives the contributions of all units."""

    name = "patching"
    label = "attribution patching"
    summary = "first order"

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            "attribution patching [@nanda2023attribution; @syed2024attribution]: the difference of clean and "
            "corrupted activation times the gradient of the metric on the corrupted run"
        )

    def rows(self, layers: int, components: int) -> int:
        """Both answers, there and back."""
        return 4

    @property
    def scores_answers(self) -> bool:
        """See ``Estimator``."""
        return True

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``."""
        return self.products(run, chunk, run.places)

    def products(self, run: Attributor, chunk: Chunk, places: Sequence[Place]) -> SiteValues:
        """Differences of activations times gradients at some places, float32 [spots, width]."""
        import torch

        found: SiteValues = {}
        for part in run.differentiated(chunk, places):
            spots = part.spots
            whole = spots == list(range(len(chunk.rows)))
            devices = {gradient.device for gradient in part.gradients.values()}
            rows = {device: torch.tensor(spots, device=device) for device in devices}
            for place, gradient in part.gradients.items():
                clean = chunk.clean[place]
                if whole:
                    found[place] = (clean.float() - part.values[place]) * gradient
                    continue
                own = rows[gradient.device]
                if place not in found:
                    found[place] = torch.zeros_like(clean, dtype=torch.float32)
                found[place][own] = (clean[own].float() - part.values[place]) * gradient
        return found
