"""Mixtures of experts: the parameters that a ``config.json`` means, and those that a token goes through.

Counts of matrices; norms and biases are left out. Light: no torch here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Names of the same number in different families.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_CHOSEN = (
    *("num_experts_per_tok", "num_experts_per_token", "experts_per_token"),
    *("top_k_experts", "moe_topk", "moe_k", "moe_top_k"),
)
_SHARED = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
_LINEAR = "linear_attention"
# Families whose code says itself how experts are computed, or that multiply what these write.
_HIDDEN = ("gemma4", "dbrx", "jetmoe", "longcat")


@dataclass(frozen=True)
class Mixture:
    """Parameters of all experts, and of those that one token goes through; its MLP neurons in a block.

    ``units``: neurons of all experts of a block; ``hidden``: whether these are known to be out of reach;
    ``count``: experts of a block.
    """

    total: int
    active: int
    neurons: int
    units: int
    hidden: bool
    count: int


def mixture_of(config: Mapping[str, Any], heads: int, keys: int) -> Mixture | None:
    """What the configuration of a language model says of its experts; None if it has none.

    ``heads``, ``keys``: all query and all key heads' dimensions together.
    """
    experts = _number(config, _EXPERTS)
    # Gemma 4 has the key without experts, too.
    if experts < 2 or config.get("enable_moe_block") is False:
        return None
    own = _number(config, ("moe_intermediate_size", "expert_ffn_hidden_size"))
    dense = _number(config, ("intermediate_size_mlp", "intermediate_size"))
    width = own or _number(config, ("intermediate_size",))  # of one expert
    hidden, shared = int(config["hidden_size"]), _shared(config, width)
    chosen = min(experts, _number(config, _CHOSEN) or 1)
    matrix = 3 * hidden
    # A token is looked up in the one table, and multiplied with the other.
    tables = 1 if config.get("tie_word_embeddings", False) else 2
    active = tables * int(config["vocab_size"]) * hidden
    idle = 0
    for layer in range(int(config["num_hidden_layers"])):
        active += _attention(config, layer, heads, keys)
        if _has_experts(config, layer):
            active += hidden * experts + matrix * (shared + chosen * width)
            idle += matrix * (experts - chosen) * width
        else:
            active += matrix * dense
    hidden = str(config.get("model_type", "")).startswith(_HIDDEN)
    neurons = chosen * width + shared
    return Mixture(active + idle, active, neurons, experts * width, hidden, experts)


def _shared(config: Mapping[str, Any], width: int) -> int:
    """Neurons of the experts that every token goes through."""
    named = _number(config, ("shared_expert_intermediate_size", "shared_intermediate_size"))
    if named:
        return named
    if str(config.get("model_type", "")).startswith("llama4"):
        return width
    if str(config.get("model_type", "")).startswith("hunyuan"):
        return (_number(config, _SHARED) or 1) * (_number(config, ("intermediate_size",)) or width)
    # Gemma 4's MLP stands beside its experts.
    beside = _number(config, ("intermediate_size",)) if config.get("enable_moe_block") else 0
    return beside or _number(config, _SHARED) * width


def _has_experts(config: Mapping[str, Any], layer: int) -> bool:
    """Whether a block has experts, or a dense MLP."""
    dense = _number(config, ("first_k_dense_replace", "num_dense_layers"))
    if layer in (config.get("mlp_only_layers") or ()) or layer < dense:
        return False
    if step := config.get("moe_layer_interval"):  # Ernie
        last = config.get("moe_layer_end_index")
        before_last = last is None or last < 0 or layer <= last
        first = config.get("moe_layer_start_index") or 0
        return (layer + 1) % step == 0 and first <= layer and before_last
    if (listed := config.get("moe_layers")) is not None:
        return layer in listed
    if step := config.get("interleave_moe_layer_step"):  # Llama 4
        return (layer + 1) % step == 0
    if period := config.get("expert_layer_period"):  # Jamba
        return layer % period == (config.get("expert_layer_offset") or 0)
    if step := config.get("decoder_sparse_step"):  # Qwen
        return (layer + 1) % step == 0
    return True


def _attention(config: Mapping[str, Any], layer: int, heads: int, keys: int) -> int:
    """Parameters of a block's attention, or of what stands for it."""
    hidden = int(config["hidden_size"])
    if latent := config.get("kv_lora_rank"):  # DeepSeek
        n = int(config["num_attention_heads"])
        nope, rope = int(config["qk_nope_head_dim"]), int(config["qk_rope_head_dim"])
        value, asked = int(config["v_head_dim"]), n * (nope + rope)
        rank = config.get("q_lora_rank")
        queries = (hidden + asked) * rank if rank else hidden * asked
        return queries + hidden * (latent + rope) + latent * n * (nope + value) + n * value * hidden
    if _kind(config, layer) == "conv":  # LFM2
        return 4 * hidden * hidden
    if _kind(config, layer) == _LINEAR and "linear_num_key_heads" not in config:
        return 5 * hidden * heads  # MiniMax: queries, keys, values, gate, output
    if _kind(config, layer) == _LINEAR:
        key = config["linear_num_key_heads"] * config["linear_key_head_dim"]
        value = config["linear_num_value_heads"] * config["linear_value_head_dim"]
        return hidden * (2 * key + 3 * value)
    # Qwen3-Next's attention has a gate as wide as its queries.
    gate = heads if "linear_num_key_heads" in config else 0
    return hidden * (2 * heads + 2 * keys + gate)


def _kind(config: Mapping[str, Any], layer: int) -> str:
    if kinds := config.get("layer_types"):
        return kinds[layer]
    if "linear_num_key_heads" not in config:
        return ""
    return "" if (layer + 1) % int(config.get("full_attention_interval") or 4) == 0 else _LINEAR


def _number(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of these that is a number, or a list with one for each block; 0 if none is."""
    values = (config.get(name) for name in names)
    values = (value[0] if isinstance(value, list) and value else value for value in values)
    return next((value for value in values if isinstance(value, int) and value), 0)
