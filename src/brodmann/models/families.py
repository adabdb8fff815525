"""The table of families: which modules hold the units of models that are known by their type. Light.

What the sites are is said in ``brodmann.sites``: *neurons* are the MLP's hidden units, the **input** of the
projection back to the residual stream; *heads* the **input** of the attention's output projection; the *MLP
output* and the *attention output* what the block adds to the residual stream.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

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
