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
    from brodmann.circuits.attribution import Attributor, Chunk, Tail


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

    def contributions(self, run: Attributor, chunk: Chunk, tails: list[Tail]) -> SiteValues:
        """See ``Estimator``."""
        import nnsight
        import torch

        context, ids = run.start(chunk, tails)
        at, sites, keep = run.reader.offset(context), run.sites, ids.shape[1]
        metric_of = run.metric_of(tails)
        rows = [tail.row for tail in tails]
        clean = chunk.clean
        with run.reader.trace(context, ids, keep=keep):
            watched = [site.watch() for site in sites]
            metric = metric_of.rows(run.model.nn.output.logits).sum()
            gradients = torch.autograd.grad(metric, watched)
            found = nnsight.save({})
            for site, value, gradient in zip(sites, watched, gradients, strict=True):
                key = site.name, site.layer
                difference = clean[key][rows].float() - value.detach()[:, at].float()
                found[key] = difference * gradient[:, at].float()
        return dict(found)
