"""Mixtures of experts: which blocks have one, and how the hidden neurons of their MLPs are numbered.

transformers keeps a block's experts in one module, their weights stacked. Neuron n of expert e is unit
e * neurons + n of its layer. A token that was not sent to an expert leaves its neurons at 0. A block without
experts has the neurons of its one MLP, from 0 on; all layers are as wide as the widest, and units that a
layer does not have are 0, too. What stands beside the experts (a shared expert) is none of these units.

Light: no torch here. How the neurons are handed out is said in ``models.taps``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brodmann.errors import UserError
from brodmann.models.dimensions import expected_neurons, hidden_size, text_config
from brodmann.models.families import Architecture
from brodmann.models.inspection import experts_of, hidden_experts, projections_of
from brodmann.models.module_tree import find_module, input_width
from brodmann.models.required_sites import Sites, Unsupported, with_what_works
from brodmann.sites import OF_MIXTURES, SITES

# Children of a module of experts: what their hidden neurons pass through, the weights of experts, and what
# each expert adds. The last is also a child of the projection of a block without experts.
TAP, ROUTES, ADDED = "hidden_neurons", "routes", "contributions"
# Child of a router: what its logits pass through.
LOGITS = "logits"


@dataclass(frozen=True)
class Experts:
    """``count`` experts of ``neurons`` each, in some blocks; a token is sent to ``chosen`` of them.

    ``paths``: of every block's module of experts, from the block, "" without one; ``routers``: of the module
    that weighs them. ``dense``: of the projection that reads the neurons of a block without experts, "" with
    them, and in a block that has no MLP at all. ``widths``: how many neurons a block has.
    """

    count: int
    neurons: int
    chosen: int
    paths: tuple[str, ...]
    dense: tuple[str, ...]
    widths: tuple[int, ...]
    routers: tuple[str, ...]

    @property
    def width(self) -> int:
        """Units of a layer."""
        return max(self.widths)

    def has(self, layer: int) -> bool:
        """Whether a block has experts."""
        return bool(self.paths[layer])

    def site(self, layer: int) -> str:
        """The path of the module, from the block, whose input is the layer's neurons."""
        return f"{self.paths[layer]}.{TAP}" if self.paths[layer] else self.dense[layer]

    def tapped(self, layer: int) -> str:
        """The path of the module, from the block, that hands out what each expert adds; "" without an MLP."""
        return self.paths[layer] or self.dense[layer]

    def adds(self, layer: int) -> str:
        """The path of the module, from the block, whose input is what each expert adds."""
        return f"{self.tapped(layer)}.{ADDED}"

    def weighs(self, layer: int) -> str:
        """The path of the module, from the block, whose input are the router's logits."""
        return f"{self.routers[layer]}.{LOGITS}"

    def units(self, site: str, layer: int) -> int:
        """How many units a block has at a site of experts; the one MLP of a block without counts as one."""
        if site in OF_MIXTURES:
            return self.count if self.has(layer) else 1
        return self.widths[layer]

    def of(self, layer: int, unit: int) -> tuple[int, int] | None:
        """(expert, its neuron) of a unit; None in a layer without experts, or of a unit that it lacks."""
        if not self.has(layer) or unit >= self.count * self.neurons:
            return None
        return divmod(unit, self.neurons)

    def facts(self) -> dict[str, Any]:
        """For a model's card."""
        layers = [layer for layer, path in enumerate(self.paths) if path]
        sizes = {"count": self.count, "neurons": self.neurons, "chosen": self.chosen}
        return {**sizes, "layers": layers, "widths": list(self.widths)}


def mixture_in(model: Any, architecture: Architecture, name: str, sites: Sites) -> Experts | None:
    """The experts of a model whose neurons are theirs; None, and a missing site, if not all are alike."""
    if architecture.mlp_hidden or "mlp_hidden" in sites.missing:
        return None
    blocks = list(find_module(model, architecture.blocks))
    paths = tuple(map(hidden_experts, blocks))
    modules = [find_module(block, path) for block, path in zip(blocks, paths, strict=True) if path]
    shapes = {(module.num_experts, _neurons(module)) for module in modules}
    dense = tuple(
        "" if path else _dense(model, block) for block, path in zip(blocks, paths, strict=True)
    )
    if absent := sites.absent.get("mlp_hidden", ()):
        sites.absent["experts"] = absent
    dense = tuple("" if n in absent else path for n, path in enumerate(dense))
    lost = [n for n, pair in enumerate(zip(paths, dense, strict=True)) if not any(pair)]
    lost = [n for n in lost if n not in absent]
    why = ""
    if len(shapes) != 1:
        why = "differ between blocks" if shapes else "are kept in a way that is not known"
    elif lost:
        why = f"stand beside a block whose neurons are not known (block {lost[0]})"
    elif any(_written(module) != hidden_size(model) for module in modules):
        why = "write to a space of their own, not to the residual stream"
    elif any(hasattr(module.down_proj, "full_tensor") for module in modules):
        why = "are split between processes (parallel: tensor)"
    if why:
        what = f"the MLPs are mixtures of experts ('{experts_of(model, architecture)}') that {why}"
        problem = Unsupported(f"models.{name}.units.mlp_hidden", what)
        sites.missing["mlp_hidden"] = problem
        if "mlp_hidden" in sites.wanted:
            works = [site for site in SITES if site not in sites.missing]
            raise UserError(with_what_works(problem, works))
        return None
    [(count, neurons)] = shapes
    widths = tuple(
        count * neurons if path else input_width(find_module(block, other)) or 0 if other else 0
        for block, path, other in zip(blocks, paths, dense, strict=True)
    )
    routers = tuple(
        _router(block, path, count) if path else ""
        for block, path in zip(blocks, paths, strict=True)
    )
    unknown = [
        n for n, pair in enumerate(zip(paths, routers, strict=True)) if pair[0] and not pair[1]
    ]
    if unknown:
        what = f"the router of block {unknown[0]} could not be addressed"
        sites.missing["router"] = Unsupported(f"models.{name}.units.router", what)
    elif without := tuple(n for n, path in enumerate(paths) if not path):
        sites.absent["router"] = without
    return Experts(count, neurons, _chosen(model, count), paths, dense, widths, routers)


def _router(block: Any, experts: str, count: int) -> str:
    """The module beside a block's experts that has a row of weights for each; "" without one."""
    parent = experts.rpartition(".")[0]
    found = [
        f"{parent}.{name}" if parent else name
        for name, own in find_module(block, parent).named_children()
        if getattr(getattr(own, "weight", None), "shape", ())[:1] == (count,)
        and len(own.weight.shape) == 2
    ]
    return found[0] if len(found) == 1 else ""


def without_experts(name: str, site: str) -> Unsupported:
    """Why a model has no site of experts."""
    what = "its MLPs are no mixture of experts whose experts could be addressed"
    return Unsupported(f"models.{name}.units.{site}", what)


def _chosen(model: Any, count: int) -> int:
    """Experts of a token; all, where the configuration does not say."""
    config = text_config(model)
    names = ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk", "moe_k")
    found = (getattr(config, name, None) for name in names)
    return min(count, next((own for own in found if isinstance(own, int)), count))


def _neurons(module: Any) -> int:
    """Hidden neurons of one expert, by its down projections [experts, hidden, neurons], or transposed."""
    return int(module.down_proj.shape[-2 if module.is_transposed else -1])


def _written(module: Any) -> int:
    """The width of what one expert adds, likewise."""
    return int(module.down_proj.shape[-1 if module.is_transposed else -2])


def _dense(model: Any, block: Any) -> str:
    """The one projection of a block without experts that reads its MLP's hidden neurons; "" without one."""
    width, neurons = hidden_size(model), expected_neurons(model)
    read = {path: input_width(find_module(block, path)) for path in projections_of(block, width)}
    down = [path for path in read if read[path] == neurons]
    down = down or [path for path in read if read[path] != width]
    return down[0] if len(down) == 1 else ""
