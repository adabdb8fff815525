"""Integrated gradients: the mean gradient on the way from the corrupted to the clean activations.

One layer at a time, all its units together, at the midpoints of equal steps: a layer's contributions sum to
the effect of patching the whole layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators.interface import Estimator, SiteValues

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor, Chunk, Tail


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

    def contributions(self, run: Attributor, chunk: Chunk, tails: list[Tail]) -> SiteValues:
        """See ``Estimator``."""
        import nnsight
        import torch

        steps, rows = self.steps, [tail.row for tail in tails]
        keep = 1 + len(tails[0].more)
        metric_of = run.metric_of(tails, repeat=steps)
        result = {}
        for site in run.sites:
            context, ids = run.start(chunk, tails, repeat=steps)
            at = run.reader.offset(context)
            clean = chunk.clean[site.name, site.layer][rows].repeat_interleave(steps, dim=0)
            way = (torch.arange(steps, device=clean.device) + 0.5) / steps
            way = way.repeat(len(tails))[:, None]
            with run.reader.trace(context, ids, keep=keep):
                value = site.get().detach().clone()
                # In float32: halfway between two neighbours there is no number of a narrow dtype.
                wide = torch.promote_types(value.dtype, torch.float32)
                start = value[:, at].to(wide)
                difference = clean.to(wide) - start
                moved = (start + way * difference).to(value.dtype).requires_grad_(True)
                # Put in by a product with an indicator, not in place: the rest stays constant.
                here = torch.zeros_like(value)
                here[:, at] = 1
                site.set(value * (1 - here) + here * moved[:, None])
                metric = metric_of.rows(run.model.nn.output.logits).sum()
                (gradient,) = torch.autograd.grad(metric, [moved])
                product = nnsight.save(difference * gradient.float())
            result[site.name, site.layer] = product.unflatten(0, (len(tails), steps)).mean(1)
        return result
