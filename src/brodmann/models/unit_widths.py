"""How many units of each kind a model's blocks have: read off its modules, held against its configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brodmann.models.dimensions import expected_neurons, heads_of, hidden_size, text_config
from brodmann.models.families import Architecture
from brodmann.models.inspection import experts_of, mixture_of_experts
from brodmann.models.module_tree import find_module, input_width, output_width
from brodmann.models.required_sites import KeyProblems, Sites, Unsupported
from brodmann.sites import WRITES_TO


@dataclass(frozen=True)
class UnitWidths:
    """How many units of each kind a block has; the same in every block that has any."""

    n_layers: int
    hidden_size: int
    neurons: int
    heads: int
    head_dim: int
    vocabulary: int


def unit_widths(
    model: Any,
    architecture: Architecture,
    *,
    name: str = "NAME",
    sites: Sites | None = None,
    of_experts: int = 0,
) -> UnitWidths:
    """The widths of a model's units, read off its modules and held against its configuration.

    0 for the units of a site that is missing and not wanted; ``sites`` notes which. ``of_experts``: how many
    neurons a layer has where they are experts'.
    """
    sites, problems = sites or Sites(), KeyProblems(f"models.{name}.units")
    blocks = find_module(model, architecture.blocks)
    width = hidden_size(model)
    for key in WRITES_TO:
        path = getattr(architecture, key)
        if key in sites.missing or not path:
            continue
        into = {output_width(find_module(block, path)) for block in sites.having(key, blocks)}
        if into != {width}:
            what = f"the output of '{path}' is {_listed(into)} wide"
            what += f", expected is the residual stream's width, {width}"
            problems.add(key, what, "name the projection back to the residual stream")
    neurons = concatenated = 0
    n_heads, head_dim = heads_of(model)
    if not architecture.mlp_hidden:
        neurons = of_experts
    elif "mlp_hidden" not in sites.missing:
        before, expected = len(problems.found), expected_neurons(model)
        some = sites.having("mlp_hidden", blocks)
        neurons = _common_width(some, architecture, "mlp_hidden", expected, "neurons", problems)
        if problems.found[before:] and (experts := experts_of(model, architecture)):
            problems.found[before:] = [mixture_of_experts(f"{problems.where}.mlp_hidden", experts)]
    if "heads" not in sites.missing:
        before, expected = len(problems.found), n_heads * head_dim if n_heads and head_dim else None
        what = "heads x head dimension"
        some = sites.having("heads", blocks)
        concatenated = _common_width(some, architecture, "heads", expected, what, problems)
        if not n_heads:
            what = "the model's configuration knows no attention heads"
            problems.found[before:] = [Unsupported(f"{problems.where}.heads", what)]
        elif len(problems.found) == before and concatenated % n_heads:
            what = (
                f"the input of '{architecture.heads}' is {concatenated} wide, which is no multiple "
            )
            problems.add("heads", f"{what}of the {n_heads} heads in the model's configuration")
    head, vocabulary = find_module(model, architecture.head), text_config(model).vocab_size
    if (input_width(head), output_width(head)) != (width, vocabulary):
        what = f"'{architecture.head}' is no projection from the residual stream ({width} wide)"
        fix = "name the module that puts out the logits"
        problems.add("head", f"{what} to the vocabulary ({vocabulary})", fix)
    sites.settle(problems)
    has_neurons, has_heads = ("mlp_hidden" not in sites.missing), ("heads" not in sites.missing)
    return UnitWidths(
        n_layers=len(blocks),
        hidden_size=width,
        neurons=neurons if has_neurons else 0,
        heads=n_heads or 0 if has_heads else 0,
        head_dim=concatenated // (n_heads or 1) if has_heads else 0,
        vocabulary=vocabulary,
    )


def _common_width(
    blocks: Iterable[Any],
    architecture: Architecture,
    key: str,
    expected: int | None,
    units: str,
    problems: KeyProblems,
) -> int:
    """The input width of a site's module: the same in all blocks, and as expected; 0 and a problem if not."""
    path = getattr(architecture, key)
    widths = {input_width(find_module(block, path)) for block in blocks}
    width = widths.pop() if len(widths) == 1 else 0
    if widths:
        what = f"the input width of '{path}' differs between blocks: {_listed(widths)}"
        problems.add(key, f"{what}; brodmann needs blocks of equal width", kind=Unsupported)
    elif width is None:
        problems.add(key, f"'{path}' is not a linear projection", "name the projection itself")
    elif expected is not None and width != expected:
        what = f"the input of '{path}' is {width} wide, the model's configuration says {expected}"
        problems.add(key, f"{what} ({units})", "name the module whose input these units are")
    return width or 0


def _listed(widths: Iterable[int | None]) -> str:
    return ", ".join(sorted(str(width) for width in widths))
