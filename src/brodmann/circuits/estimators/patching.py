"""Attribution patching: the effect of putting back a clean activation, at first order.

For unit u of one item, at the last prompt token::

    contribution_u = (clean activation_u - corrupted activation_u) * d metric / d activation_u

with the gradient on the corrupted run; positive: putting the clean value back moves the metric towards
the clean answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brodmann.circuits.estimators.interface import Estimator, SiteValues

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor, Chunk


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
        import torch

        found = {
            place: torch.zeros_like(value, dtype=torch.float32)
            for place, value in chunk.clean.items()
        }
        for part in run.differentiated(chunk):
            rows = part.rows
            for place, gradient in part.gradients.items():
                difference = chunk.clean[place][rows].float() - part.values[place]
                found[place][rows] = difference * gradient
        return found
