"""AtP*: attribution patching with the remedies of Kramár et al. (2024) for effects that it overlooks.

*GradDrop.* A unit's direct effect and its effects by way of later layers may cancel, so that a small error of
one of them decides. The gradient is therefore taken once for every layer of the model, each time as if what
that layer adds to the residual stream (its attention and its MLP) were a constant. A unit's score is the mean
absolute estimate ::

    score = 1 / (layers - 1) * sum over l of |(clean - corrupted activation) . gradient without l|

whose term of the unit's own layer is 0. To drop a layer below the unit changes nothing, so that these terms
are the plain estimate and need no pass. The paper's score has no sign. Here it gets that of the plain
estimate, item by item, as for circuits it matters whether a unit helps or hinders.

*QK fix.* Where a query or a key is patched, the paper computes the softmax again in place of its gradient.
Heads are scored here by what they put out, at the input of the output projection: the clean value comes out
of a softmax that was computed, and a first-order estimate by way of queries, keys and values is made nowhere.
So heads have the correction, by any estimator of this package, and nothing is left to be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators.interface import SiteValues
from brodmann.circuits.estimators.patching import Patching

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Attributor, Chunk
    from brodmann.models.load import LoadedModel
    from brodmann.runner.queries import Place

# What a layer adds to the residual stream.
_CONTRIBUTIONS = ("attention_output", "mlp_output")


@dataclass(frozen=True)
class AtpStar(Patching):
    """A forward and backward pass per layer."""

    name = "atp_star"
    label = "AtP*"
    summary = "AtP*, first order with one layer after another left out of the gradient"
    bibliography = """
@misc{kramar2024atp,
  title         = {AtP*: An efficient and scalable method for localizing LLM behaviour to components},
  author        = {Kram{\\'a}r, J{\\'a}nos and Lieberum, Tom and Shah, Rohin and Nanda, Neel},
  year          = {2024},
  eprint        = {2403.00745},
  archivePrefix = {arXiv},
}
"""
    sums_units = True
    sites = _CONTRIBUTIONS

    def sentence(self) -> str:
        """See ``Estimator``."""
        return (
            "AtP* [@kramar2024atp]: the mean absolute value, over gradients in each of which what one layer "
            "adds to the residual stream is held constant, of the difference of clean and corrupted "
            "activation times the gradient of the metric on the corrupted run, with the sign that it has for "
            "the whole gradient"
        )

    def rows(self, layers: int, components: int) -> int:
        """Both answers, there and back: whole, and without every layer but the first."""
        return 4 * layers

    @property
    def scores_answers(self) -> bool:
        """The answers are run several times."""
        return False

    def contributions(self, run: Attributor, chunk: Chunk) -> SiteValues:
        """See ``Estimator``: [items, units]."""
        from brodmann.runner.ranks.marked import entered

        layers = run.model.n_layers
        if layers < 2:
            raise _refused(f"{run.model.name} has a single one")
        if any(site in run.model.absent for site in _CONTRIBUTIONS):
            raise _refused(f"in {run.model.name} some add what is neither attention nor MLP")
        for site in _CONTRIBUTIONS:
            run.model.require(site)
        plain = self._of_units(run, chunk, run.places)
        sums = {place: place[1] * values.abs() for place, values in plain.items()}
        for dropped in range(1, layers):
            below = [place for place in run.places if place[1] < dropped]
            with entered(dropping, run.model, dropped):
                for place, values in self._of_units(run, chunk, below).items():
                    sums[place] += values.abs()
        return {place: plain[place].sign() * sums[place] / (layers - 1) for place in plain}

    def _of_units(self, run: Attributor, chunk: Chunk, places: Sequence[Place]) -> SiteValues:
        """The first-order estimates of whole units."""
        from brodmann.sites import SITES

        found = self.products(run, chunk, places)
        return {
            place: run.of_units(chunk, SITES[place[0]].component, values)
            for place, values in found.items()
        }


@contextmanager
def dropping(model: LoadedModel, layer: int) -> Iterator[None]:
    """Within it, what a layer adds to the residual stream has no gradient; its values are what they are
    without."""
    from brodmann.models.module_tree import module_at

    block = module_at(model.hf, model.architecture.blocks)[layer]
    modules = [module_at(block, getattr(model.architecture, site)) for site in _CONTRIBUTIONS]
    handles = [module.register_forward_hook(_constant) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _constant(_: Any, __: Any, output: Any) -> Any:
    if isinstance(output, tuple | list):
        return (output[0].detach(), *output[1:])
    return output.detach()


def _refused(why: str) -> Exception:
    from brodmann.errors import UserError

    what = f"atp_star leaves out one layer after another, and {why}"
    return UserError.at("attribution.estimator", what, "use estimator: patching or ig")
