"""Tiny models whose layers are not all attention: a recurrent state or a convolution beside it, or instead.

``HYBRIDS`` has builders for ``tiny_models.tiny_model``; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiny_models import HEADS, NEURONS, _build
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


def _jamba() -> PreTrainedModel:
    return _build(
        "Jamba",
        **_GROUPED,
        num_experts=1,
        num_experts_per_tok=1,
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


def _qwen3_next(**settings: Any) -> PreTrainedModel:
    """Gated attention in the last layer, linear attention in the others."""
    return _build(
        "Qwen3Next",
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


def _granite_hybrid() -> PreTrainedModel:
    return _build(
        "GraniteMoeHybrid",
        **_GROUPED,
        num_local_experts=0,
        num_experts_per_tok=0,
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
}
