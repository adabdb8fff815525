"""A tiny random model of any family that transformers has a causal language model for.

One recipe for all: whatever a configuration calls a size gets a small value, and every kind of layer that
the family's default has is there once. ``OWN`` has what families need beyond it.
"""

from __future__ import annotations

import inspect
from typing import Any

from tiny_models import HEADS, HIDDEN, LAYERS, NEURONS, VOCABULARY, tiny_model
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

# Family -> its class in transformers.
FAMILIES: dict[str, str] = dict(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
# A model with more parameters is not tiny.
MOST = 10_000_000
_POSITIONS, _WINDOW, _EXPERT_NEURONS, _HEAD = 512, 64, 16, HIDDEN // HEADS
_NAMES: list[tuple[Any, str]] = [
    (
        VOCABULARY,
        "vocab_size unpadded_vocab_size vocab_size_per_layer_input decoder_vocab_size "
        "shape_vocab_size pronunciation_vocab_size",
    ),
    (
        HIDDEN,
        "hidden_size n_embd d_model emb_dim embedding_size input_embedding_size "
        "output_embedding_size text_hidden_size dim_model_base shape_embed_dim pronunciation_embed_dim",
    ),
    (
        LAYERS,
        "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers "
        "num_decoder_layers num_encoder_layers depth",
    ),
    (
        HEADS,
        "num_attention_heads n_head n_heads num_heads attention_heads decoder_attention_heads "
        "encoder_attention_heads num_decoder_attention_heads num_encoder_attention_heads "
        "swa_num_attention_heads linear_num_heads linear_num_value_heads mamba_n_heads mamba_num_heads "
        "n_mamba_heads",
    ),
    (
        2,
        "num_key_value_heads num_kv_heads swa_num_key_value_heads linear_num_key_heads index_n_heads "
        "indexer_n_heads "
        "num_experts_per_tok num_experts_per_token moe_topk moe_k top_k_experts zero_expert_num "
        "hc_mult hc_count o_groups altup_num_inputs",
    ),
    (
        4,
        "num_experts num_local_experts n_routed_experts moe_num_experts qk_rope_head_dim "
        "qk_nope_head_dim rotary_dim chunk_size mamba_chunk_size index_block_size mamba_dt_rank "
        "indexer_compress_ratio gated_norm_rank adapter_rank",
    ),
    (
        _HEAD,
        "head_dim v_head_dim swa_head_dim global_head_dim dim_head attention_head_size "
        "attention_head_dim kv_channels index_head_dim indexer_head_dim linear_head_dim linear_key_head_dim "
        "linear_value_head_dim query_pre_attn_scalar mamba_d_state ssm_state_size state_size "
        "kv_lora_rank o_lora_rank hc_lowrank laurel_rank hidden_size_per_layer_input d_rel block_size",
    ),
    (
        NEURONS,
        "intermediate_size ffn_dim decoder_ffn_dim encoder_ffn_dim dim_ff dff d_inner n_inner "
        "feed_forward_size ffn_hidden_size intermediate_size_mlp dense_intermediate_size "
        "prefix_dense_intermediate_size",
    ),
    (
        _EXPERT_NEURONS,
        "moe_intermediate_size shared_expert_intermediate_size "
        "shared_experts_intermediate_size shared_intermediate_size expert_ffn_hidden_size "
        "moe_shared_expert_intermediate_size router_hidden_size q_lora_rank mamba_d_head mamba_head_dim "
        "block_multiple_of image_size",
    ),
    (
        1,
        "n_shared_experts num_shared_experts moe_num_shared_experts n_group topk_group n_groups "
        "first_k_dense_replace num_dense_layers num_mem_blocks indexer_kv_heads",
    ),
    (2 * HIDDEN, "mamba_d_ssm"),
    (
        _POSITIONS,
        "max_position_embeddings n_positions n_ctx max_seq_len context_length "
        "max_target_positions model_max_length original_max_position_embeddings rel_extent",
    ),
    (
        _WINDOW,
        "sliding_window sliding_window_size window_size local_attention attention_window_size "
        "attention_chunk_size index_topk indexer_budget local_attention_window_len",
    ),
    (True, "is_decoder"),
    (False, "use_mamba_kernels"),
]
SIZES = {name: size for size, names in _NAMES for name in names.split()}
SIZES |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "patch_size": 8}
# What a layer is, one word per layer; and a model's layers are not fewer than there are words.
_KINDS = ("layer_types", "layers_block_type", "mlp_layer_types")

# Blocks that share one attention: there must be two of them.
_SHARED = ["linear_attention", "hybrid"] * 2

OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": {"rope_theta": 10_000.0}}},
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10_000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": NEURONS, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "dots3_note_text": {
        "swa_num_attention_heads": HEADS,
        "swa_num_key_value_heads": HEADS,
        "swa_q_lora_rank": _EXPERT_NEURONS,
        "swa_kv_lora_rank": _HEAD,
        "swa_head_dim": _HEAD,
        "swa_qk_nope_head_dim": _HEAD // 2,
        "swa_v_head_dim": _HEAD,
    },
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gpt_neo": {"num_layers": 4, "attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba"]},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv"]},
    "mamba2": {"head_dim": _EXPERT_NEURONS},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {
        "attn_layers": ["local", "lsh", "local"],
        "axial_pos_shape": [16, 32],
        "axial_pos_embds_dim": [8, 24],
    },
    "xlm": {"causal": True},
    "xlstm": {"hidden_size": 4 * HIDDEN},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 4, "layers_block_type": _SHARED},
    "zamba2": {"num_hidden_layers": 4, "layers_block_type": _SHARED},
    "zaya": {"num_experts_per_tok": 1},
}


def tiny_config(family: str) -> PreTrainedConfig:
    """A family's configuration in tiny sizes."""
    kind = CONFIG_MAPPING[family]
    return kind(**{**_sizes(kind), **OWN.get(family, {})})


def _sizes(kind: type[PreTrainedConfig]) -> dict[str, Any]:
    """What the recipe gives to a class of configurations, and to those inside it."""
    names = inspect.signature(kind.__init__).parameters
    found = {name: size for name, size in SIZES.items() if name in names}
    if (
        "qk_rope_head_dim" in found
    ):  # latent attention: of keys a part is turned, and every head has its own
        own = {"head_dim": found["qk_rope_head_dim"], "num_key_value_heads": HEADS}
        found |= {name: size for name, size in own.items() if name in names}
    usual = kind()
    layers = {name: list(dict.fromkeys(getattr(usual, name, None) or ())) for name in _KINDS}
    layers = {name: kinds for name, kinds in layers.items() if kinds and name in names}
    if layers:
        count = max(LAYERS, *map(len, layers.values()))
        found |= {name: count for name in found if SIZES[name] == LAYERS}
        found |= {
            name: [kinds[n % len(kinds)] for n in range(count)] for name, kinds in layers.items()
        }
    for name in kind.sub_configs:
        inside = getattr(usual, name, None)
        if isinstance(inside, PreTrainedConfig):
            found[name] = {"model_type": inside.model_type, **_sizes(type(inside))}
    return found


def tiny(family: str, seed: int = 0) -> PreTrainedModel:
    """A tiny model of a family, in evaluation mode; what transformers or the recipe cannot do is an error."""
    config = tiny_config(family)
    size = _parameters(config)
    if size > MOST:
        raise ValueError(f"the recipe makes {size:,} parameters of it")
    return tiny_model(lambda: AutoModelForCausalLM.from_config(config), seed)


def _parameters(config: PreTrainedConfig) -> int:
    """How many numbers a model has, without making them; 0 where a family's code needs the numbers."""
    import torch

    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception:
        return 0
    return sum(own.numel() for own in model.parameters())
