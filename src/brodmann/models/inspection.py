"""The architecture of a model of no known family, read off its module tree. Light: no torch here.

A guess throughout, which the self-check proves or refutes on the running model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brodmann.errors import UserError
from brodmann.models.dimensions import (
    expected_layers,
    expected_neurons,
    has_number,
    hidden_size,
    setting,
    text_config,
)
from brodmann.models.families import AUTO, Architecture
from brodmann.models.module_tree import TOWER, find_module, input_width, is_list, output_width
from brodmann.models.required_sites import KeyProblems, Sites, Unsupported
from brodmann.sites import WRITES_TO

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
# What reads the residual stream, though it may be as wide as it: queries, keys, values, and gates.
_READS = re.compile(r"(^|[._])(q|k|v|g|gate|query|key|value)(_[ab])?(_?(proj|lin|linear))?$")
# What attends to an encoder, which a decoder by itself does not run.
_OF_ENCODER = re.compile(r"(^|\.)(encoder_attn|crossattention)(\.|$)")
_NORM = re.compile(r"norm|(^|_)ln(_|\d|$)", re.IGNORECASE)
_EXPERT = re.compile(r"(^|[._])(experts?|routed_experts|moe)([._\d]|$)", re.IGNORECASE)
_POST_MLP_NORM = re.compile(r"^post_(mlp|ffn?|feed_?forward)_\w*norm$")
_POST_ATTENTION_NORM = re.compile(r"^post_(self_)?(attn|attention)_\w*norm$")
# What configurations call blocks without attention; the last two have nothing but an MLP.
_ONLY_MLP = frozenset({"mlp", "moe"})
_NO_ATTENTION = frozenset({"linear_attention", "conv", "mamba", "recurrent"}) | _ONLY_MLP


def inspect_architecture(
    model: Any,
    given: Mapping[str, str] | None = None,
    *,
    name: str = "NAME",
    sites: Sites | None = None,
) -> Architecture:
    """The architecture read off the module tree; paths in ``given`` are taken as they are.

    A guess, which the self-check proves or refutes on the running model. Sites of ``sites`` that are
    missing and not wanted are noted there.
    """
    given, sites = dict(given or {}), sites or Sites()
    problems = KeyProblems(f"models.{name}.units")
    type_ = text_config(model).model_type
    blocks_path = given.get("blocks") or _blocks_path(model)
    blocks = find_module(model, blocks_path) if blocks_path else None
    if blocks is None or not is_list(blocks) or len(blocks) == 0:
        what = f"no list of decoder blocks found in a model of type '{type_}'"
        problems.add("blocks", what, "give the path of the list, e.g. model.layers")
        raise UserError(*problems.found)
    width = hidden_size(model)
    with_attention, with_mlp = _with_attention(model, blocks), _with_mlp(model, blocks)
    experts = next((path for block in blocks if (path := hidden_experts(block))), "")
    experts = experts or next((path for block in blocks if (path := _experts_path(block))), "")
    heads = given.get("heads")
    if heads is None:
        heads = _output_projection(blocks, with_attention, width)
        if not heads:
            _no_heads(blocks, with_attention, width, problems, type_)
    mlp_hidden = given.get("mlp_hidden")
    everywhere = _projections(with_mlp, width)[1] if with_mlp else []
    if mlp_hidden is None:
        mlp = [path for path in everywhere if not _ATTENTION.search(path)]
        mlp_hidden = _down_projection(model, with_mlp, mlp, experts, problems)
    inside = mlp_hidden or _sum_of_experts((with_mlp or blocks)[0], experts)
    mlp_output = _mlp_output(with_mlp, inside)
    attention_output = _attention_output(with_attention, heads) if heads else ""
    outputs = {"mlp_output": mlp_output, "attention_output": attention_output}
    for problem in list(problems.found):
        # Without the units there is no telling which module puts out what they write.
        units = problem.where.rpartition(".")[2]
        target = WRITES_TO[units]
        derived = not outputs[target] and target not in given
        if derived and not {units, target} <= sites.wanted:
            problems.found.append(replace(problem, where=f"{problems.where}.{target}"))
    sites.settle(problems)
    return Architecture(
        name=f"{type_} (by inspection)",
        model_types=(type_,),
        blocks=blocks_path,
        mlp_hidden=mlp_hidden,
        heads=heads,
        **outputs,
        final_norm=_final_norm_path(model, blocks_path),
        head=head_path(model),
        layout=AUTO,
        residual_scale="residual_multiplier" if has_number(model, "residual_multiplier") else "",
    )


def _projections(blocks: Any, width: int) -> tuple[list[str], list[str]]:
    """Paths of projections to the residual stream: those of any block, and those of every block."""
    found = [
        [
            path
            for path, module in block.named_modules()
            if path and output_width(module) == width and _writes(path, input_width(module), width)
        ]
        for block in blocks
    ]
    anywhere = list(dict.fromkeys(path for paths in found for path in paths))
    common = set(found[0]).intersection(*found)
    return anywhere, [path for path in found[0] if path in common]


def _writes(path: str, reads: int | None, width: int) -> bool:
    """Whether a module that puts out ``width`` numbers may project units to the residual stream."""
    if reads is None or _OF_ENCODER.search(path):
        return False
    return reads != width or _READS.search(path) is None


def _experts_path(block: Any) -> str:
    """The path of a block's experts, "" if it has none."""
    return next((path for path, _ in block.named_modules() if _EXPERT.search(path)), "")


def hidden_experts(block: Any) -> str:
    """The path of a block's experts if their hidden neurons can be handed out (``models.taps``), else "".

    That is so where transformers chooses how the experts are computed.
    """
    for path, module in block.named_modules():
        own = getattr(module, "down_proj", None)
        if hasattr(module, "_apply_gate") and hasattr(module, "has_gate"):
            plain = getattr(own, "ndim", 0) == 3 and own.is_floating_point()
            return path if plain and hasattr(module, "num_experts") else ""
    return ""


def projections_of(block: Any, width: int) -> list[str]:
    """Paths of a block's projections to the residual stream, but for its attention's."""
    return [path for path in _projections([block], width)[0] if not _ATTENTION.search(path)]


def experts_of(model: Any, architecture: Architecture) -> str:
    """The path of experts in a model's blocks, "" if there are none."""
    blocks = find_module(model, architecture.blocks)
    return next((path for block in blocks if (path := _experts_path(block))), "")


def _kinds(model: Any, count: int) -> list[str]:
    """What each of ``count`` blocks is by the model's configuration; none where it does not say.

    Nor where some are called hybrids: all of Falcon-H1's are alike, and Zamba's share a part that stands in
    none of them.
    """
    for name in ("layer_types", "layers_block_type"):
        kinds = setting(text_config(model), name)
        if isinstance(kinds, list | tuple) and len(kinds) == count:
            return [] if "hybrid" in kinds else list(kinds)
    return []


def _with_attention(model: Any, blocks: Any) -> list[Any]:
    """The blocks that have attention; all, where the configuration does not tell."""
    kinds = _kinds(model, len(blocks)) or [""] * len(blocks)
    return [block for block, kind in zip(blocks, kinds, strict=True) if kind not in _NO_ATTENTION]


def _with_mlp(model: Any, blocks: Any) -> list[Any]:
    """The blocks that have an MLP: beside what mixes positions, or in its place."""
    kinds = _kinds(model, len(blocks))
    if not _NO_ATTENTION.intersection(kinds):
        return list(blocks)
    width = hidden_size(model)

    def has(block: Any, kind: str) -> bool:
        paths = _projections([block], width)[0]
        several = len({path.partition(".")[0] for path in paths}) > 1
        return kind in _ONLY_MLP or several or bool(_experts_path(block))

    return [block for block, kind in zip(blocks, kinds, strict=True) if has(block, kind)]


def absent_sites(model: Any, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Site -> layers that do not have it, where others do. What units write to is where they are."""
    blocks = find_module(model, architecture.blocks)
    if blocks is None or not is_list(blocks):
        return {}
    found = {}
    having = {"heads": _with_attention(model, blocks), "mlp_hidden": _with_mlp(model, blocks)}
    for site, some in having.items():
        path, own = getattr(architecture, site), {id(block) for block in some}
        absent = tuple(
            number
            for number, block in enumerate(blocks)
            if id(block) not in own and (not path or find_module(block, path) is None)
        )
        if absent and len(absent) < len(blocks):
            found |= {site: absent, WRITES_TO[site]: absent}
    return found


def _output_projection(blocks: Any, with_attention: list[Any], width: int) -> str:
    """The path of what the heads' outputs enter, in every block or in every one with attention."""
    for some in (blocks, with_attention):
        # Query, key and value projections come first, the output projection last.
        paths = _projections(some, width)[1][::-1] if len(some) else []
        named = [path for path in paths if _ATTENTION.search(path)]
        if len(some) < len(blocks):
            named += [path for path in paths if path.endswith("o_proj")]
        if named:
            return named[0]
    return ""


def _no_heads(
    blocks: Any, with_attention: list[Any], width: int, problems: KeyProblems, type_: str
) -> None:
    """Why there are no heads: no attention, blocks of different kinds, or none that looks like one."""
    if not with_attention:
        what = f"no block of type '{type_}' has attention: there are no heads"
        return problems.add("heads", what, kind=Unsupported)
    anywhere, everywhere = _projections(blocks, width)
    if any(_ATTENTION.search(path) for path in anywhere) or (anywhere and not everywhere):
        what = "not every block has attention of the same kind: its heads are not supported"
        return problems.add("heads", what, kind=Unsupported)
    what = f"no output projection of an attention found in the blocks of type '{type_}'"
    fix = "name the module whose input is the heads' outputs, e.g. self_attn.o_proj"
    return problems.add("heads", what, fix)


def _blocks_path(model: Any) -> str | None:
    """The list of as many modules as the model has layers; of several, the largest."""
    expected = expected_layers(model)
    lists = [
        (sum(parameter.numel() for parameter in module.parameters()), path)
        for path, module in model.named_modules()
        if is_list(module) and len(module) == expected and not TOWER.search(path)
    ]
    return max(lists)[1] if lists else None


def _down_projection(
    model: Any, blocks: Any, candidates: list[str], experts: str, problems: KeyProblems
) -> str:
    """The MLP's one projection from its hidden neurons back to the residual stream; "" and a problem without.

    ``blocks``: those with an MLP. ``candidates`` are projections of each of them outside the attention,
    ``experts`` the path of experts: these have no such module, and "" stands for theirs (``models.experts``).
    """
    width, neurons, key = hidden_size(model), expected_neurons(model), "mlp_hidden"
    if not blocks:
        what = "no block has an MLP beside what mixes positions: there are no neurons"
        problems.add(key, what, kind=Unsupported)
        return ""
    if experts:
        if not any(map(hidden_experts, blocks)):
            problems.found.append(mixture_of_experts(f"{problems.where}.{key}", experts))
        return ""
    read = {path: input_width(find_module(blocks[0], path)) for path in candidates}
    down = [path for path in candidates if read[path] == neurons]
    down = down or [path for path in candidates if read[path] != width]
    if len(down) == 1:
        return down[0]
    fix = "name the module whose input is the MLP's hidden neurons, e.g. mlp.down_proj"
    if down:
        problems.add(key, f"several projections could be meant: {', '.join(down)}", fix)
    elif any(_projections([block], width)[0] for block in blocks):
        what = "not every block has an MLP of the same kind: its neurons are not supported"
        problems.add(key, what, kind=Unsupported)
    else:
        problems.add(key, "no projection from MLP neurons to the residual stream found", fix)
    return ""


def mixture_of_experts(where: str, experts: str) -> Unsupported:
    """Why a site of single MLP neurons cannot be addressed; no key names them."""
    return Unsupported(
        where,
        f"the MLPs are mixtures of experts ('{experts}'), which is not supported for this site",
    )


def _sum_of_experts(block: Any, experts: str) -> str:
    """A path in the module that puts out the sum of all experts; "" where that is not one module."""
    normalised = any(_POST_MLP_NORM.match(name) for name, _ in block.named_children())
    return experts if "." in experts or normalised else ""


def beside_experts(model: Any, architecture: Architecture) -> str:
    """The module whose output a block adds to the sum of its experts (Granite's hybrids); "" if none."""
    top = experts_of(model, architecture).partition(".")[0]
    if architecture.mlp_hidden or not top or architecture.mlp_output != top:
        return ""
    everywhere = _projections(find_module(model, architecture.blocks), hidden_size(model))[1]
    found = (path.partition(".")[0] for path in everywhere if not _ATTENTION.search(path))
    return next((name for name in found if name != top), "")


def _mlp_output(blocks: list[Any], inside: str) -> str:
    """The module of these blocks whose output is what their MLPs add to the residual stream; ``inside``: a
    path in it."""
    after = [name for name in _children(blocks) if _POST_MLP_NORM.match(name)] if inside else []
    return after[-1] if after else inside.split(".")[0]


def _attention_output(blocks: list[Any], heads: str) -> str:
    """The same of the attention of these blocks."""
    children = _children(blocks)
    after = [name for name in children if _POST_ATTENTION_NORM.match(name)]
    # "post_attention_layernorm" is, in most families, the norm *before* the MLP. Only beside a norm
    # after the MLP can it be the attention's; if there are two, "self" marks the attention's.
    if after and any(map(_POST_MLP_NORM.match, children)):
        return max(after, key=lambda name: ("self" in name, name))
    return heads.split(".")[0]


def _children(blocks: list[Any]) -> list[str]:
    """Names that each of these blocks has, in the order of the first."""
    return [
        name
        for name, _ in blocks[0].named_children()
        if all(name in block._modules for block in blocks)
    ]


def _final_norm_path(model: Any, blocks_path: str) -> str:
    """The last norm beside the list of blocks; without one, what has the head, and reads the last block."""
    parent_path = blocks_path.rpartition(".")[0]
    parent = find_module(model, parent_path)
    names = [name for name, _ in parent.named_children() if _NORM.search(name)]
    # Gemma 4 normalises an input of every layer, too; BART normalises embeddings.
    others = ("_embedding", "_emb")
    norms = [name for name in names if "per_layer" not in name and not name.endswith(others)]
    if not norms:
        return head_path(model).partition(".")[0]
    return ".".join(part for part in (parent_path, norms[-1]) if part)


def head_path(model: Any) -> str:
    """The path of the module that turns hidden states into logits."""
    head = model.get_output_embeddings()
    if head is None:
        width, vocabulary = hidden_size(model), text_config(model).vocab_size
        shapes = {path: (input_width(m), output_width(m)) for path, m in model.named_modules()}
        return next((path for path, shape in shapes.items() if shape == (width, vocabulary)), "")
    return next((path for path, module in model.named_modules() if module is head), "")
