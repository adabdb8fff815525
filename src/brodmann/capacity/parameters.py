"""The parameters that a ``config.json`` means, and those that a token goes through.

Counted by block: attention or what stands for it, the MLP or its experts. Norms and biases are counted for
the usual families; elsewhere they may be left out, which is less than 1 %. Light: no torch here.
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
_LINEAR, _CONVOLUTION, _MAMBA, _BOTH = "linear_attention", "conv", "mamba", "mamba and attention"
# Families whose code says itself how experts are computed, or that multiply what these write.
_HIDDEN = ("gemma4", "dbrx", "jetmoe", "longcat")
# MLPs without a gate have two matrices, those with one have three.
_UNGATED = (
    *("gpt2", "gpt_neox", "gptj", "gpt_bigcode", "codegen", "bloom", "falcon", "phi", "starcoder2"),
)
# Families that normalise what attention and MLP write once more, and those that normalise queries and keys.
_FOUR_NORMS = ("gemma2", "gemma3", "glm4")
_HEAD_NORMS = ("qwen3", "gemma3")


@dataclass(frozen=True)
class Parameters:
    """Numbers in a language model's weights, by what is done to them.

    ``tables``: embedding and LM head. ``linear``: matrices that every token goes through; ``experts``: those
    of experts, of which ``idle`` are not gone through by a token. ``small``: routers, norms, biases.
    ``states``: what recurrent blocks go on with, of a sequence and in all blocks together.

    ``neurons``: of the MLPs of a block, those that a token goes through; ``units``: those of all of its
    experts, of which it has ``count``. ``hidden``: whether these are known to be out of reach.
    """

    tables: int
    linear: int
    small: int
    experts: int = 0
    idle: int = 0
    states: int = 0
    neurons: int = 0
    units: int = 0
    count: int = 0
    hidden: bool = False

    @property
    def total(self) -> int:
        """All of them."""
        return self.tables + self.linear + self.small + self.experts

    @property
    def active(self) -> int | None:
        """Those that a token goes through; None where it goes through all."""
        # A token is looked up in the one table, and multiplied with the other.
        return self.total - self.idle if self.units else None


def parameters_of(
    config: Mapping[str, Any], *, hidden: int, layers: int, heads: int, keys: int, neurons: int
) -> Parameters:
    """What the configuration of a language model says of its parameters.

    ``heads``, ``keys``: all query and all key heads' dimensions together. ``neurons``: of a block's MLP where
    it has no experts; 0 where there are no MLPs.
    """
    experts = _number(config, _EXPERTS)
    # Gemma 4 has the key without experts, too.
    if experts < 2 or config.get("enable_moe_block") is False:
        experts = 0
    own = _number(config, ("moe_intermediate_size", "expert_ffn_hidden_size"))
    width = own or _number(config, ("intermediate_size",))  # of one expert
    shared = _shared(config, width) if experts else 0
    chosen = min(experts, _number(config, _CHOSEN) or 1)
    dense = _number(config, ("intermediate_size_mlp", "intermediate_size")) if experts else neurons
    kind = str(config.get("model_type", ""))
    ungated = kind in _UNGATED
    matrix = (2 if ungated else 3) * hidden
    linear, small, in_experts, idle, states = 0, hidden, 0, 0, 0
    for layer in range(layers):
        mixer, state = _mixer(config, layer, hidden, heads, keys)
        linear, states = linear + mixer, states + state
        small += _small(config, kind, hidden, heads, keys)
        if experts and _has_experts(config, layer):
            linear += matrix * shared
            in_experts += matrix * experts * width
            idle += matrix * (experts - chosen) * width
            small += experts * hidden
            if kind.startswith("gpt_oss"):
                small += experts * (1 + 2 * width + hidden)
        else:
            linear += matrix * dense
    tied = config.get("tie_word_embeddings", not experts)
    # Gemma 4: every block has an embedding of the tokens of its own.
    beside = layers * _number(config, ("hidden_size_per_layer_input",))
    linear += 3 * hidden * beside
    return Parameters(
        tables=(1 if tied else 2) * int(config["vocab_size"]) * hidden
        + beside * _number(config, ("vocab_size_per_layer_input",)),
        linear=linear,
        small=small,
        experts=in_experts,
        idle=idle,
        states=states,
        neurons=chosen * width + shared if experts else neurons,
        units=experts * width,
        count=experts,
        hidden=kind.startswith(_HIDDEN),
    )


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
    if kinds := config.get("mlp_layer_types"):
        return bool(kinds[layer] != "dense")
    if isinstance(often := config.get("moe_layer_freq"), list):  # MiMo, on the hub
        return bool(often[layer])
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


def _mixer(
    config: Mapping[str, Any], layer: int, hidden: int, heads: int, keys: int
) -> tuple[int, int]:
    """Of a block's attention, or of what stands for it: its parameters, and its state of one sequence."""
    kind = _kind(config, layer)
    if latent := config.get("kv_lora_rank"):  # DeepSeek
        n = int(config["num_attention_heads"])
        nope, rope = int(config["qk_nope_head_dim"]), int(config["qk_rope_head_dim"])
        value, asked = int(config["v_head_dim"]), n * (nope + rope)
        rank = config.get("q_lora_rank")
        queries = (hidden + asked) * rank if rank else hidden * asked
        back = latent * n * (nope + value) + n * value * hidden
        return queries + hidden * (latent + rope) + back, 0
    attention = hidden * (2 * heads + 2 * keys)
    if kind == _CONVOLUTION:  # LFM2
        return 4 * hidden * hidden, hidden * _number(config, ("conv_L_cache",))
    if kind == _LINEAR and "linear_num_key_heads" not in config:
        # MiniMax: queries, keys, values, gate, output.
        return 5 * hidden * heads, heads * heads // int(config["num_attention_heads"])
    if kind == _LINEAR:
        key = config["linear_num_key_heads"] * config["linear_key_head_dim"]
        value = config["linear_num_value_heads"] * config["linear_value_head_dim"]
        kept = (2 * key + value) * _number(config, ("linear_conv_kernel_dim",))
        return hidden * (2 * key + 3 * value), value * config["linear_key_head_dim"] + kept
    if kind in (_MAMBA, _BOTH):
        own, state = _mamba(config, hidden)
        return (own + attention if kind == _BOTH else own), state
    # Qwen3-Next's attention has a gate as wide as its queries.
    gate = heads if "linear_num_key_heads" in config else 0
    return attention + hidden * gate, 0


def _mamba(config: Mapping[str, Any], hidden: int) -> tuple[int, int]:
    """Parameters of a block's state-space model, and its state."""
    expand = _number(config, ("mamba_expand", "expand")) or 2
    inner = _number(config, ("mamba_d_ssm",)) or expand * hidden
    state = _number(config, ("mamba_d_state", "state_size"))
    kernel = _number(config, ("mamba_d_conv", "conv_kernel"))
    heads = _number(config, ("mamba_n_heads", "num_heads"))
    if heads:  # Mamba 2: one step for all of a head's channels
        mixed = inner + 2 * _number(config, ("mamba_n_groups", "n_groups")) * state
        into = inner + mixed + heads
        own = hidden * (into + inner) + mixed * (kernel + 1) + inner + 3 * heads
        return own, inner * state + mixed * kernel
    rank = _number(config, ("mamba_dt_rank", "time_step_rank")) or -(-hidden // 16)
    steps = inner * (2 * rank + 3 * state + kernel + 3)
    return 3 * hidden * inner + steps, inner * (state + kernel)


def _small(config: Mapping[str, Any], kind: str, hidden: int, heads: int, keys: int) -> int:
    """A block's norms, and the biases of its attention."""
    found = (4 if kind.startswith(_FOUR_NORMS) else 2) * hidden
    if latent := config.get("kv_lora_rank"):
        found += latent + (config.get("q_lora_rank") or 0)
    if kind.startswith(_HEAD_NORMS):
        found += 2 * heads // int(config["num_attention_heads"])
    if config.get("attention_bias") or kind.startswith("qwen2"):
        found += heads + 2 * keys + (0 if kind.startswith("qwen2") else hidden)
    if kind.startswith("gpt_oss"):  # sinks
        found += int(config["num_attention_heads"])
    return found


def _kind(config: Mapping[str, Any], layer: int) -> str:
    """What mixes the tokens of a block; "" for attention."""
    if str(config.get("model_type", "")).startswith("falcon_h1"):
        return _BOTH
    if kinds := config.get("layer_types"):
        # Granite's hybrids call it what others call linear attention.
        mamba = kinds[layer] == _LINEAR and "mamba_d_state" in config
        return _MAMBA if mamba else kinds[layer]
    if "linear_num_key_heads" in config:
        return "" if (layer + 1) % int(config.get("full_attention_interval") or 4) == 0 else _LINEAR
    if "attn_layer_indices" in config:  # Bamba
        return "" if layer in (config["attn_layer_indices"] or ()) else _MAMBA
    if period := config.get("attn_layer_period"):  # Jamba
        return "" if layer % period == (config.get("attn_layer_offset") or 0) else _MAMBA
    return _MAMBA if "state_size" in config else ""


def _number(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of these that is a number, or a list with one for each block; 0 if none is."""
    values = (config.get(name) for name in names)
    values = (value[0] if isinstance(value, list) and value else value for value in values)
    return next((value for value in values if isinstance(value, int) and value), 0)
