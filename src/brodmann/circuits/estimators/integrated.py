"""Integrated gradients: the mean gradient on the way from the corrupted to the clean activations.

One layer at a time, all its units together, at the midpoints of equal steps: a layer's contributions sum to
the effect of patching the whole layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators.interface import Estimator, SiteValues

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor, Chunk, Tail
    from brodmann.runner.queries import Edit


@dataclass(frozen=True)
class Integrated(Estimator):
    """A forward and backward pass per layer and component, over as many rows as there are steps."""

    steps: int

    name = "ig"
    label = "integrated gradients"
    summary = "integrated gradients"

    @classmethod
    def of(cls, settings: Any) -> Integrated:
        """See ``Estimator``."""
        return cls(settings.ig_steps)

    def key(self) -> dict[str, Any]:
        """See ``Estimator``."""
        return {"steps": self.steps}

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            f"integrated gradients [@sundararajan2017axiomatic; @hanna2024faith] in {self.steps} steps "
            "between corrupted and clean activations"
        )

    def rows(self, layers: int, components: int) -> int:
        """Both answers, there and back, at every step of every layer and component."""
        return 4 * self.steps * layers * components

    @property
    def at_once(self) -> int:
        """One row per step."""
        return self.steps

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``."""
        import torch

        from brodmann.circuits.attribution import nodes_of, spots_of
        from brodmann.runner.queries import Edit

        steps = self.steps
        # In float32: halfway between two neighbours there is no number of a narrow dtype.
        wide = torch.promote_types(run.model.dtype, torch.float32)
        start = {place: value.to(wide) for place, value in run.corrupted_values(chunk).items()}
        difference = {place: chunk.clean[place].to(wide) - start[place] for place in start}

        def moved(tails: Sequence[Tail]) -> list[Edit]:
            """Each tail's layer, on the way at its step."""
            found = []
            for place in dict.fromkeys(tail.colour[0] for tail in tails):
                own = [tail for tail in tails if tail.colour[0] == place]
                spots = spots_of(own)
                parts = [(tail.colour[1] + 0.5) / steps for tail in own for _ in tail.nodes]
                way = torch.tensor(parts, dtype=wide)
                values = start[place][spots]
                values = values + way.to(values.device)[:, None] * difference[place][spots]
                nodes = torch.tensor(nodes_of(own))
                site, layer = place
                found.append(Edit(site, layer, nodes, None, values))
            return found

        result = {place: torch.zeros_like(v, dtype=torch.float32) for place, v in start.items()}
        # Layer by layer, so that a tree holds few of them: all of these are watched at all its nodes.
        for place in run.places:
            entries = [(row, (place, n)) for row in range(len(chunk.items)) for n in range(steps)]
            for part in run.edited_gradients(chunk, entries, [place], moved):
                spots = part.spots
                product = difference[place][spots].float() * part.gradients[place] / steps
                result[place].index_add_(0, torch.tensor(spots, device=product.device), product)
        return result
