"""Tiny models whose layers are not all attention: a recurrent state or a convolution beside it, or instead.

``HYBRIDS`` has builders for ``tiny_models.tiny_model``; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiny_models import HEADS, HIDDEN, NEURONS, _build
from transformers import PreTrainedModel

_GROUPED = {"num_key_value_heads": 2}


def _falcon_h1(**settings: Any) -> PreTrainedModel:
    """Attention and a state-space layer side by side in every block."""
    return _build(
        "FalconH1",
        **_GROUPED,
        **settings,
        mamba_d_ssm=32,
        mamba_n_heads=4,
        mamba_d_head=8,
        mamba_d_state=8,
        mamba_chunk_size=4,
    )


def _jamba(experts: int = 1) -> PreTrainedModel:
    return _build(
        "Jamba",
        **_GROUPED,
        num_experts=experts,
        num_experts_per_tok=min(experts, 2),
        expert_layer_period=2,
        expert_layer_offset=1,
        attn_layer_period=2,
        attn_layer_offset=1,
        mamba_d_state=8,
        mamba_dt_rank=4,
        use_mamba_kernels=False,
    )


def _zamba2() -> PreTrainedModel:
    return _build(
        "Zamba2",
        **_GROUPED,
        num_hidden_layers=4,
        layers_block_type=["mamba", "hybrid", "mamba", "hybrid"],
        mamba_d_state=8,
        n_mamba_heads=4,
        chunk_size=4,
        num_mem_blocks=1,
        adapter_rank=4,
        use_mamba_kernels=False,
    )


def _qwen3_next(family: str = "Qwen3Next", config: str = "", **settings: Any) -> PreTrainedModel:
    """Gated attention in the last layer, linear attention in the others."""
    return _build(
        family,
        config,
        **_GROUPED,
        **{
            "head_dim": 8,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "layer_types": ["linear_attention", "linear_attention", "full_attention"],
            "mlp_only_layers": [0, 1, 2],
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            **settings,
        },
    )


def _lfm2() -> PreTrainedModel:
    """Short convolutions, and attention in one layer."""
    return _build(
        "Lfm2",
        **_GROUPED,
        block_auto_adjust_ff_dim=False,
        layer_types=["conv", "full_attention", "conv"],
    )


def _granite_hybrid(experts: int = 0) -> PreTrainedModel:
    return _build(
        "GraniteMoeHybrid",
        **_GROUPED,
        num_local_experts=experts,
        num_experts_per_tok=experts // 2,
        residual_multiplier=0.5,
        shared_intermediate_size=NEURONS,
        layer_types=["mamba", "attention", "mamba"],
        mamba_n_heads=4,
        mamba_d_head=16,
        mamba_d_state=8,
        mamba_chunk_size=4,
    )


def _bamba() -> PreTrainedModel:
    return _build(
        "Bamba",
        **_GROUPED,
        attn_layer_indices=[1],
        mamba_n_heads=HEADS,
        mamba_d_head=16,
        mamba_d_state=8,
        mamba_chunk_size=4,
    )


def _nemotron_h() -> PreTrainedModel:
    return _build(
        "NemotronH",
        **_GROUPED,
        head_dim=8,
        layers_block_type=["mamba", "attention", "mlp"],
        mamba_num_heads=4,
        mamba_head_dim=16,
        ssm_state_size=8,
        n_groups=1,
        chunk_size=4,
        use_mamba_kernels=False,
    )


def _recurrent_gemma() -> PreTrainedModel:
    """Its configuration counts both halves of the MLP's gate."""
    return _build(
        "RecurrentGemma",
        num_key_value_heads=1,
        head_dim=8,
        intermediate_size=2 * NEURONS,
        attention_window_size=16,
        lru_width=HIDDEN,
        block_types=["recurrent", "recurrent", "attention"],
    )


def _pure(family: str, **settings: Any) -> PreTrainedModel:
    """A recurrence in every block, and nothing else."""
    return _build(family, state_size=8, num_attention_heads=None, **settings)


HYBRIDS: dict[str, Callable[[], PreTrainedModel]] = {
    "falcon-h1": _falcon_h1,
    # As the published ones: what MLP and attention write is multiplied by constants.
    "falcon-h1-scaled": lambda: _falcon_h1(
        mlp_multipliers=[0.88, 0.29], attention_out_multiplier=0.94
    ),
    "jamba": _jamba,
    "zamba2": _zamba2,
    "qwen3-next": _qwen3_next,
    "lfm2": _lfm2,
    "granite-hybrid": _granite_hybrid,
    "bamba": _bamba,
    "nemotron-h": _nemotron_h,
    "recurrent-gemma": _recurrent_gemma,
    "qwen3.5": lambda: _qwen3_next("Qwen3_5", "Qwen3_5TextConfig"),
    "olmo-hybrid": lambda: _build(
        "OlmoHybrid",
        **_GROUPED,
        layer_types=["linear_attention", "linear_attention", "full_attention"],
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        linear_num_key_heads=HEADS,
        linear_num_value_heads=HEADS,
    ),
    "granite-hybrid-moe": lambda: _granite_hybrid(experts=4),
    "jamba-moe": lambda: _jamba(experts=4),
    "lfm2-moe": lambda: _build(
        "Lfm2Moe",
        **_GROUPED,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        num_dense_layers=1,
        layer_types=["conv", "full_attention", "conv"],
    ),
    "minimax": lambda: _build(
        "MiniMax",
        **_GROUPED,
        head_dim=8,
        block_size=4,
        num_local_experts=4,
        num_experts_per_tok=2,
        layer_types=["linear_attention", "full_attention", "linear_attention"],
    ),
    # No MLP, or none of single neurons.
    "mamba": lambda: _pure("Mamba", time_step_rank=4),
    "falcon-mamba": lambda: _pure("FalconMamba", time_step_rank=4),
    "mamba2": lambda: _pure("Mamba2", num_heads=8, head_dim=8, n_groups=1, chunk_size=4),
    "rwkv": lambda: _build(
        "Rwkv",
        num_attention_heads=None,
        attention_hidden_size=HIDDEN,
        context_length=512,
        rescale_every=2,
    ),
}
