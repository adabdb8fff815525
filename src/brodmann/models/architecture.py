"""Which modules of a model hold its units: a table, a fallback by inspection, and the user's word.

Light: no torch here.

What the sites are is said in ``brodmann.sites``: *neurons* are the MLP's hidden units, the **input** of the
projection back to the residual stream; *heads* the **input** of the attention's output projection; the *MLP
output* and the *attention output* what the block adds to the residual stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.sites import NAMED, SITES, WRITES_TO

BATCH_FIRST = "batch_first"  # activations are [batch, length, width]
SEQUENCE_FIRST = "sequence_first"  # activations are [length, batch, width]
AUTO = "auto"  # found out by running the model once
LAYOUTS = (BATCH_FIRST, SEQUENCE_FIRST, AUTO)


@dataclass(frozen=True)
class Architecture:
    """Dotted module paths of a family: ``blocks``, ``final_norm`` and ``head`` from the model, the
    rest from one of its blocks.

    Where the model multiplies both contributions by a constant before adding them to the residual
    stream, ``residual_scale`` names that constant in the model's configuration ("" = 1).
    """

    name: str
    model_types: tuple[str, ...]
    blocks: str
    mlp_hidden: (
        str  # its input: the MLP's hidden neurons; "" where these are experts' (models.experts)
    )
    heads: str  # its input: the heads' outputs, side by side
    mlp_output: str  # its output: the MLP's contribution to the residual stream
    attention_output: str  # its output: the attention's contribution to the residual stream
    final_norm: str
    head: str
    layout: str = BATCH_FIRST
    residual_scale: str = ""


def _like(family: Architecture, name: str, types: str, **paths: str) -> Architecture:
    """A family of these model types that differs from another one in some paths."""
    return replace(family, name=name, model_types=tuple(types.split()), **paths)


_LLAMA_TYPES = (
    "llama mistral ministral qwen2 qwen3 olmo gemma phi3 glm cohere cohere2 stablelm smollm3 helium seed_oss "
    "ernie4_5"
)
_LLAMA = Architecture(
    name="llama",
    model_types=tuple(_LLAMA_TYPES.split()),
    blocks="model.layers",
    mlp_hidden="mlp.down_proj",
    heads="self_attn.o_proj",
    mlp_output="mlp",
    attention_output="self_attn",
    final_norm="model.norm",
    head="lm_head",
)
_GPT2 = Architecture(
    name="gpt2",
    model_types=("gpt2", "gpt_bigcode"),
    blocks="transformer.h",
    mlp_hidden="mlp.c_proj",
    heads="attn.c_proj",
    mlp_output="mlp",
    attention_output="attn",
    final_norm="transformer.ln_f",
    head="lm_head",
)
# Projections called alike, in blocks that may lie elsewhere.
_FALCON = _like(
    *(_GPT2, "falcon", "falcon"),
    mlp_hidden="mlp.dense_4h_to_h",
    heads="self_attention.dense",
    attention_output="self_attention",
)

TABLE: tuple[Architecture, ...] = (
    _LLAMA,
    _like(_LLAMA, "granite", "granite", residual_scale="residual_multiplier"),
    # These normalise a contribution once more before it is added.
    _like(
        *(_LLAMA, "post-norm", "gemma2 gemma3 gemma3_text olmo2 olmo3 exaone4"),
        mlp_output="post_feedforward_layernorm",
        attention_output="post_attention_layernorm",
    ),
    _like(
        *(_LLAMA, "glm4", "glm4"),
        mlp_output="post_mlp_layernorm",
        attention_output="post_self_attn_layernorm",
    ),
    _like(_LLAMA, "starcoder2", "starcoder2", mlp_hidden="mlp.c_proj"),
    _like(
        *(_LLAMA, "phi", "phi"),
        mlp_hidden="mlp.fc2",
        heads="self_attn.dense",
        final_norm="model.final_layernorm",
    ),
    _GPT2,
    _like(_GPT2, "gptj", "gptj codegen", mlp_hidden="mlp.fc_out", heads="attn.out_proj"),
    _FALCON,
    _like(
        *(_FALCON, "gpt-neox", "gpt_neox"),
        blocks="gpt_neox.layers",
        heads="attention.dense",
        attention_output="attention",
        final_norm="gpt_neox.final_layer_norm",
        head="embed_out",
    ),
    # In BLOOM the modules around the projections add the residual stream themselves.
    _like(
        *(_FALCON, "bloom", "bloom"),
        mlp_output=_FALCON.mlp_hidden,
        attention_output=_FALCON.heads,
    ),
    # Remote code, whose versions differ in layout: ChatGLM2 and 3 run with the sequence first.
    _like(
        *(_FALCON, "chatglm", "chatglm"),
        blocks="transformer.encoder.layers",
        final_norm="transformer.encoder.final_layernorm",
        head="transformer.output_layer",
        layout=AUTO,
    ),
)

# What a user may set under ``units:``; every value is a string.
OVERRIDES = tuple(one.name for one in fields(Architecture)[2:])

# Multimodal models carry their text model one level down.
_PREFIXES = (("model.", "model.language_model."), ("model.", "language_model.model."))

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
# What reads the residual stream, though it may be as wide as it: queries, keys, values, and gates.
_READS = re.compile(r"(^|[._])(q|k|v|g|gate|query|key|value)(_[ab])?(_?(proj|lin|linear))?$")
# What attends to an encoder, which a decoder by itself does not run.
_OF_ENCODER = re.compile(r"(^|\.)(encoder_attn|crossattention)(\.|$)")
_NORM = re.compile(r"norm|(^|_)ln(_|\d|$)", re.IGNORECASE)
_TOWER = re.compile(r"vision|visual|image|audio|speech", re.IGNORECASE)
_POSITIONS = re.compile(r"(^|[._])(wpe|embed_positions|position_embeddings?)$")
_EXPERT = re.compile(r"(^|[._])(experts?|routed_experts|moe)([._\d]|$)", re.IGNORECASE)
_POST_MLP_NORM = re.compile(r"^post_(mlp|ffn?|feed_?forward)_\w*norm$")
_POST_ATTENTION_NORM = re.compile(r"^post_(self_)?(attn|attention)_\w*norm$")
# What configurations call blocks without attention; the last two have nothing but an MLP.
_ONLY_MLP = frozenset({"mlp", "moe"})
_NO_ATTENTION = frozenset({"linear_attention", "conv", "mamba", "recurrent"}) | _ONLY_MLP


@dataclass(frozen=True)
class Unsupported(Problem):
    """A site that cannot be addressed in this kind of model, whatever key is set."""


@dataclass
class _Problems:
    """What is wrong with keys of ``models.NAME.units``."""

    where: str
    found: list[Problem] = field(default_factory=list)

    def add(self, key: str, what: str, fix: str = "", kind: type[Problem] = Problem) -> None:
        self.found.append(kind(f"{self.where}.{key}", what, fix))


@dataclass
class Sites:
    """Which sites a model must have, and what stands in the way of those that it does without.

    Filled while the model is looked at: ``missing``, site -> why it cannot be addressed; ``absent``,
    site -> layers that do not have it, where others do.
    """

    wanted: frozenset[str] = frozenset(SITES)
    missing: dict[str, Problem] = field(default_factory=dict)
    absent: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def having(self, site: str, blocks: Any) -> list[Any]:
        """Those of a model's blocks that have a site."""
        absent = self.absent.get(site, ())
        return [block for number, block in enumerate(blocks) if number not in absent]

    def settle(self, problems: _Problems) -> None:
        """Note the problems of sites that nobody wants, and raise all others."""
        fatal = []
        for problem in problems.found:
            site = problem.where.removeprefix(f"{problems.where}.")
            if site in SITES and site not in self.wanted:
                self.missing.setdefault(site, problem)
            else:
                fatal.append(problem)
        if fatal:
            gone = {*self.missing, *(problem.where.rpartition(".")[2] for problem in fatal)}
            works = [site for site in SITES if site not in gone]
            raise UserError(*(with_what_works(problem, works) for problem in fatal))


def with_what_works(problem: Problem, works: Iterable[str], advice: str = "") -> Problem:
    """A problem that no key under ``units`` can help, with the sites that can be used instead."""
    if not isinstance(problem, Unsupported):
        return problem
    listed = ", ".join(site for site in SITES if site in set(works))
    fix = f"with this model work: {listed}" + (f"; {advice}" if advice else "")
    return replace(problem, fix=fix)


def architecture_for(
    model: Any,
    overrides: Mapping[str, str] | None = None,
    *,
    name: str = "NAME",
    sites: Sites | None = None,
) -> Architecture:
    """The architecture of a loaded model: the table's, else one found by inspection.

    ``overrides`` (``models.{name}.units`` in the config) has the last word on any path. Every path
    of the result exists in the model; that of a site that is missing and not wanted is "".
    """
    sites, problems = sites or Sites(), _Problems(f"models.{name}.units")
    overrides = dict(overrides or {})
    check_overrides(overrides, name)
    known = _from_table(model)
    if known is None:
        known = inspect_architecture(model, given=overrides, name=name, sites=sites)
    found = replace(known, **overrides)
    sites.absent = _absent(model, found)
    _require_modules(model, found, problems, sites)
    return _without(found, sites)


def check_overrides(overrides: Mapping[str, str], name: str) -> None:
    """Refuse keys and values of ``models.{name}.units`` that are wrong for any model."""
    problems = _Problems(f"models.{name}.units")
    for key, value in overrides.items():
        if key not in OVERRIDES:
            problems.add(key, "unknown key", did_you_mean(key, OVERRIDES))
        elif not isinstance(value, str):
            problems.add(key, f"must be a string, found {value!r}")
    layout = overrides.get("layout", AUTO)
    if layout not in LAYOUTS:
        problems.add("layout", f"unknown layout '{layout}'", did_you_mean(layout, LAYOUTS))
    if problems.found:
        raise UserError(*problems.found)


def _without(architecture: Architecture, sites: Sites) -> Architecture:
    """The architecture without the paths of sites that are missing."""
    for units, target in WRITES_TO.items():
        # What units write to is where they are proved.
        if target in sites.missing and units not in sites.missing:
            sites.missing[units] = sites.missing[target]
            if units in sites.wanted:
                raise UserError(sites.missing[target])
    gone = {site: "" for site in sites.missing if site in NAMED}
    return replace(architecture, **gone)


def _from_table(model: Any) -> Architecture | None:
    """The table's entry for the model's type, with a multimodal wrapper's paths if it has one."""
    types = (model.config.model_type, text_config(model).model_type)
    entry = next((a for type_ in types for a in TABLE if type_ in a.model_types), None)
    if entry is None:
        return None
    if find_module(model, entry.blocks) is None:
        for plain, wrapped in _PREFIXES:
            moved = replace(
                entry,
                blocks=entry.blocks.replace(plain, wrapped, 1),
                final_norm=entry.final_norm.replace(plain, wrapped, 1),
            )
            if find_module(model, moved.blocks) is not None:
                entry = moved
                break
        else:
            return None  # the type is known, this implementation of it is not
    head = _head_path(model)
    return replace(entry, head=head) if head and find_module(model, entry.head) is None else entry


def _require_modules(
    model: Any, architecture: Architecture, problems: _Problems, sites: Sites
) -> None:
    """Every path must lead to a module, in every block."""
    blocks, expected = find_module(model, architecture.blocks), expected_layers(model)
    if blocks is None or not _is_list(blocks):
        what = "is no module" if blocks is None else "is not a list of blocks"
        problems.add("blocks", f"'{architecture.blocks}' {what} of this model")
        blocks = []
    elif expected is not None and len(blocks) != expected:
        what = f"has {len(blocks)} blocks, the model's configuration says {expected}"
        fix = "name the list of all decoder blocks"
        problems.add("blocks", f"'{architecture.blocks}' {what}", fix)
    for key in ("final_norm", "head"):
        path = getattr(architecture, key)
        if not path or find_module(model, path) is None:
            what = f"this model has no module '{path}'" if path else "not found in this model"
            problems.add(key, what, "give its path from the model")
    for key in NAMED:
        if key in sites.missing:
            continue
        if not getattr(architecture, key) and key in WRITES_TO.values():
            problems.add(key, "no module found that puts out what its units write", "name it")
            continue
        path, absent = getattr(architecture, key), sites.absent.get(key, ())
        without = [n for n, block in enumerate(blocks) if find_module(block, path) is None]
        without = [n for n in without if n not in absent]
        if not without:
            continue
        what = f"block {without[0]} has no module '{path}'"
        if len(without) < len(blocks) - len(absent):
            # What one block has instead is not in the others, either.
            has = next(n for n in range(len(blocks)) if n not in without)
            what += f", as block {has} has: the site is not the same module in every block"
            problems.add(key, what, kind=Unsupported)
        else:
            there = [name for name, _ in blocks[without[0]].named_modules() if name]
            problems.add(key, what, did_you_mean(path, there))
    scale = architecture.residual_scale
    if scale and not _has_number(model, scale):
        problems.add("residual_scale", f"the model's configuration has no number '{scale}'")
    sites.settle(problems)


# -- finding the modules of an unknown model --


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
    problems = _Problems(f"models.{name}.units")
    type_ = text_config(model).model_type
    blocks_path = given.get("blocks") or _blocks_path(model)
    blocks = find_module(model, blocks_path) if blocks_path else None
    if blocks is None or not _is_list(blocks) or len(blocks) == 0:
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
        head=_head_path(model),
        layout=AUTO,
        residual_scale="residual_multiplier" if _has_number(model, "residual_multiplier") else "",
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
        kinds = _setting(text_config(model), name)
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


def _absent(model: Any, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Site -> layers that do not have it, where others do. What units write to is where they are."""
    blocks = find_module(model, architecture.blocks)
    if blocks is None or not _is_list(blocks):
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
    blocks: Any, with_attention: list[Any], width: int, problems: _Problems, type_: str
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
        if _is_list(module) and len(module) == expected and not _TOWER.search(path)
    ]
    return max(lists)[1] if lists else None


def _down_projection(
    model: Any, blocks: Any, candidates: list[str], experts: str, problems: _Problems
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
        return _head_path(model).partition(".")[0]
    return ".".join(part for part in (parent_path, norms[-1]) if part)


def _head_path(model: Any) -> str:
    """The path of the module that turns hidden states into logits."""
    head = model.get_output_embeddings()
    if head is None:
        width, vocabulary = hidden_size(model), text_config(model).vocab_size
        shapes = {path: (input_width(m), output_width(m)) for path, m in model.named_modules()}
        return next((path for path, shape in shapes.items() if shape == (width, vocabulary)), "")
    return next((path for path, module in model.named_modules() if module is head), "")


# -- sizes --


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
    sites, problems = sites or Sites(), _Problems(f"models.{name}.units")
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
    problems: _Problems,
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


def text_config(model: Any) -> Any:
    """The configuration of the language model, also inside a multimodal one."""
    return model.config.get_text_config()


def _first_number(config: Any, names: tuple[str, ...]) -> int | None:
    values = (_setting(config, name) for name in names)
    return next((value for value in values if isinstance(value, int)), None)


def _setting(config: Any, name: str) -> Any:
    """A value of a configuration; None where there is none, or not one for all layers."""
    try:
        return getattr(config, name, None)
    except Exception:  # transformers refuses what differs between layers (Gemma 4's heads)
        return None


def _has_number(model: Any, name: str) -> bool:
    return isinstance(_setting(text_config(model), name), int | float)


def expected_layers(model: Any) -> int | None:
    """The number of decoder blocks by the model's configuration."""
    return _first_number(
        text_config(model), ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    )


def hidden_size(model: Any) -> int:
    """The width of the residual stream."""
    width = _first_number(text_config(model), ("hidden_size", "n_embd", "d_model"))
    return width if width is not None else model.get_input_embeddings().weight.shape[-1]


def expected_neurons(model: Any) -> int | None:
    """The number of MLP neurons by the model's configuration, None if it does not say."""
    config = text_config(model)
    if _setting(config, "block_auto_adjust_ff_dim") is True:
        return None  # LFM2 rounds what is written there
    names = ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner")
    # Granite's hybrids without experts have the one MLP that the experts would share.
    if _first_number(config, ("num_local_experts",)) == 0:
        names = ("shared_intermediate_size", *names)
    found = _first_number(config, names)
    # RecurrentGemma counts both halves of the gate.
    both = found is not None and getattr(config, "model_type", "") == "recurrent_gemma"
    return found // 2 if both else found  # type: ignore[operator]


def heads_of(model: Any) -> tuple[int | None, int | None]:
    """(heads, head dimension) by the model's configuration, None where it does not say."""
    config = text_config(model)
    heads = _first_number(config, ("num_attention_heads", "n_head", "n_heads", "num_heads"))
    # Of the values, where they are not as wide as the keys: a head's output is made of values.
    return heads, _first_number(config, ("v_head_dim", "head_dim", "kv_channels"))


# -- modules --


def input_width(module: Any) -> int | None:
    """The input width of a linear projection (``Linear`` or GPT-2's ``Conv1D``), else None."""
    return _first_number(module, ("in_features", "nx"))


def output_width(module: Any) -> int | None:
    """The output width of a linear projection, else None."""
    return _first_number(module, ("out_features", "nf"))


def find_module(root: Any, path: str) -> Any | None:
    """The module at a dotted path below ``root``; None if there is none."""
    module = root
    for part in path.split(".") if path else ():
        module = getattr(module, "_modules", {}).get(part)
        if module is None:
            return None
    return module


def module_at(root: Any, path: str) -> Any:
    """The module at a path that the architecture names; where there is none, an error that says so."""
    module = find_module(root, path)
    if module is None:
        raise LookupError(f"{type(root).__name__} has no module '{path}'")
    return module


def learned_positions(model: Any) -> int | None:
    """How many tokens a model with a table of positions can read; None where positions are computed."""
    for path, module in model.named_modules():
        size = getattr(module, "num_embeddings", None)
        # An image tower has a table of its own, for patches.
        if isinstance(size, int) and _POSITIONS.search(path) and not _TOWER.search(path):
            return size - int(getattr(module, "offset", 0))
    return None


def require_positions(room: int | None, tokens: int, where: str, fix: str) -> None:
    """An error if a model of so many positions has none for the last of so many tokens."""
    if room is not None and tokens > room:
        raise UserError.at(where, f"a text of {tokens} tokens; the model reads at most {room}", fix)


def rescaled_positions(model: Any) -> int | None:
    """Up to how many tokens rotary positions are what they are; None where that does not change.

    Beyond, "dynamic" and "longrope" turn all that is read at once by other angles: a text's numbers would
    depend on what is read beside it.
    """
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        kinds = kinds if isinstance(kinds, dict) else {None: kinds}
        for layers, kind in kinds.items():
            if isinstance(kind, str) and "dynamic" in kind:
                return int(module.original_max_seq_len)
            if kind == "longrope":
                own = module.config.rope_parameters
                return int(
                    (own if layers is None else own[layers])["original_max_position_embeddings"]
                )
    return None


def _is_list(module: Any) -> bool:
    """A ``ModuleList`` (or what behaves like one): sized, indexed by number."""
    children = getattr(module, "_modules", {})
    return hasattr(module, "__len__") and list(children) == [str(n) for n in range(len(children))]
