"""Tiny mixtures of experts, and other families whose blocks are not all alike; nothing is downloaded.

``MIXTURES`` has builders for ``tiny_models.tiny_model``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers
from tiny_hybrids import _qwen3_next
from tiny_models import HEADS, HIDDEN, LAYERS, NEURONS, VOCABULARY, _build
from transformers import PreTrainedModel

_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
_SMALL = {**_EXPERTS, "moe_intermediate_size": 16}
_GROUPED = {"num_key_value_heads": 2}


def _deepseek(family: str) -> PreTrainedModel:
    """Latent attention; the first block is dense, the others have experts and one that is shared."""
    return _build(
        family,
        num_key_value_heads=HEADS,
        moe_intermediate_size=16,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        q_lora_rank=16,
        kv_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=12,
    )


def _llama4() -> PreTrainedModel:
    """Experts in every other block."""
    return _build(
        "Llama4",
        "Llama4TextConfig",
        **_GROUPED,
        head_dim=8,
        intermediate_size_mlp=64,
        num_local_experts=4,
        num_experts_per_tok=1,
        interleave_moe_layer_step=2,
        attention_chunk_size=64,
    )


GEMMA4 = {
    **_GROUPED,
    "head_dim": 8,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCABULARY,
    "sliding_window": 64,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
}


def _gemma4(**settings: Any) -> PreTrainedModel:
    return _build("Gemma4", "Gemma4TextConfig", **{**GEMMA4, **settings})


def _gemma4_wrapped() -> PreTrainedModel:
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": NEURONS,
        **GEMMA4,
    }
    config = transformers.Gemma4Config(text_config=text, vision_config=None, audio_config=None)
    return transformers.Gemma4ForConditionalGeneration(config)


MIXTURES: dict[str, Callable[[], PreTrainedModel]] = {
    "mixtral": lambda: _build("Mixtral", **_GROUPED, num_local_experts=4, num_experts_per_tok=2),
    "qwen3-moe": lambda: _build("Qwen3Moe", **_GROUPED, **_SMALL, head_dim=12),
    "qwen2-moe": lambda: _build(
        "Qwen2Moe", **_GROUPED, **_SMALL, shared_expert_intermediate_size=NEURONS
    ),
    "deepseek-v3": lambda: _deepseek("DeepseekV3"),
    "deepseek-v2": lambda: _deepseek("DeepseekV2"),
    "qwen3-next-moe": lambda: _qwen3_next(mlp_only_layers=[]),
    "gpt-oss": lambda: _build(
        "GptOss", **_GROUPED, head_dim=8, num_local_experts=4, num_experts_per_tok=2
    ),
    "olmoe": lambda: _build("Olmoe", **_GROUPED, **_EXPERTS),
    "glm4-moe": lambda: _build(
        "Glm4Moe",
        **_GROUPED,
        head_dim=8,
        moe_intermediate_size=16,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
    ),
    "granite-moe": lambda: _build(
        "GraniteMoe",
        **_GROUPED,
        num_local_experts=4,
        num_experts_per_tok=2,
        residual_multiplier=0.5,
    ),
    "llama4": _llama4,
    "gemma4": _gemma4,
    "gemma4-shared-keys": lambda: _gemma4(
        num_hidden_layers=4,
        num_kv_shared_layers=2,
        layer_types=["sliding_attention", "full_attention"] * 2,
    ),
    "gemma4-experts": lambda: _gemma4(
        enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=16
    ),
    "gemma4-wrapped": _gemma4_wrapped,
}
