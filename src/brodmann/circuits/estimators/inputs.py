"""Integrated gradients of the input (EAP-IG-inputs of Hanna et al. 2024, for units in place of edges).

The gradient at the units is averaged over runs whose token embeddings lie on the way from the corrupted to
the clean prompt, at the midpoints of equal steps: at every token at once, and only there; all that follows is
what the model makes of it. It is multiplied with the difference of the clean and the corrupted activation.
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
class InputGradients(Estimator):
    """A forward and backward pass per step gives the contributions of all units."""

    steps: int

    name = "ig_inputs"
    label = "integrated gradients of the input"
    summary = "integrated gradients between the token embeddings of both prompts"
    from_first_difference = True

    @classmethod
    def of(cls, settings: Any) -> InputGradients:
        """See ``Estimator``."""
        return cls(settings.ig_steps)

    def key(self) -> dict[str, Any]:
        """See ``Estimator``."""
        return {"steps": self.steps}

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            "integrated gradients of the input [@sundararajan2017axiomatic; @hanna2024faith] in "
            f"{self.steps} steps: the difference of clean and corrupted activation times the mean gradient "
            "of the metric over runs whose token embeddings lie between those of the corrupted and the clean "
            "prompt"
        )

    def rows(self, layers: int, components: int) -> int:
        """Both answers, there and back, at every step."""
        return 4 * self.steps

    @property
    def at_once(self) -> int:
        """One row per step."""
        return self.steps

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``."""
        import torch

        from brodmann.errors import UserError
        from brodmann.runner.queries import EMBEDDINGS, Edit

        if run.model.ranks is not None:
            # Tried with two processes: torch fails in the embedding that they share.
            what = f"ig_inputs does not work with {run.model.name}, which several processes share"
            fix = "use another estimator, or device_map in place of parallel: tensor"
            raise UserError.at("attribution.estimator", what, fix)
        wide = torch.promote_types(run.model.dtype, torch.float32)
        differ = [
            [n for n in range(start, len(item.clean)) if item.clean[n] != item.corrupted[n]]
            for item, start in zip(chunk.items, chunk.starts, strict=True)
        ]
        # [tokens that differ, hidden] of each item: of the clean, then of the corrupted prompt.
        rows = [
            [ids[n] for n in own]
            for item, own in zip(chunk.items, differ, strict=True)
            for ids in (item.clean, item.corrupted)
        ]
        ends = [values.to(wide) for values in run.embeddings(rows)]

        def moved(tails: Sequence[Tail]) -> list[Edit]:
            """Every tail's tokens, on the way at its step."""
            nodes, values = [], []
            for tail in tails:
                clean, corrupted = ends[2 * tail.row : 2 * tail.row + 2]
                way = (tail.colour + 0.5) / self.steps
                first = chunk.starts[tail.row]
                nodes += [tail.prompt[n - first] for n in differ[tail.row]]
                values.append(corrupted + way * (clean - corrupted))
            if not nodes:
                return []
            return [Edit(EMBEDDINGS, -1, torch.tensor(nodes), None, torch.cat(values))]

        start = run.corrupted_values(chunk)
        entries = [(row, n) for row in range(len(chunk.items)) for n in range(self.steps)]
        sums = {place: torch.zeros_like(v, dtype=torch.float32) for place, v in start.items()}
        for part in run.edited_gradients(chunk, entries, run.places, moved):
            for place, gradient in part.gradients.items():
                spots = torch.tensor(part.spots, device=gradient.device)
                sums[place].index_add_(0, spots, gradient)
        return {
            place: (chunk.clean[place].float() - start[place].float()) * gradient / self.steps
            for place, gradient in sums.items()
        }
