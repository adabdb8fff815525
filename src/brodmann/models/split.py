"""Tensor parallelism: a model of which each process holds a share of every layer, as transformers splits it.

Families say how in their *plan*. Projections into heads and MLP neurons are split by what they put out,
projections back into the residual stream by what they take in; their parts are then summed over all ranks. So
heads and neurons are a rank's own, and the residual stream is whole on every rank. nnsight would put a rank's
heads and neurons together with those of the others wherever they are touched; left as they are, they take no
more memory than a share does, and only what is asked for is put together (``runner.taken``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from brodmann.errors import UserError

# Ways of splitting that were compared with whole models, at every site (tests/unit/runner/test_ranks.py).
PROVED = frozenset(
    {
        *("colwise", "rowwise", "colwise_gather_output", "rowwise_split_input"),
        *("replicated_with_grad_allreduce", "embedding_rowwise"),
        *("moe_tp_experts", "packed_colwise"),
    }
)
# Projections of which each rank has the keys of its own heads.
_KEYS = ("k_proj", "query_key_value", "qkv_proj")
_FIX = "set parallel: layers"


def require_split(directory: str | Path, name: str, shares: int, trust_remote_code: bool) -> None:
    """An error that says why, if the model in a folder cannot be split into so many shares."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception:  # what is wrong with the folder is said when it is loaded
        return
    if why := refusal(config, shares):
        raise UserError.at(f"models.{name}.parallel", why, _FIX)


def refusal(config: Any, shares: int) -> str:
    """Why a model of a transformers configuration cannot be split into so many shares; nothing if it can."""
    text = config.get_text_config()
    plan: dict[str, str] = getattr(text, "base_model_tp_plan", None) or {}
    family = text.model_type
    if not plan:
        return f"transformers has no tensor-parallel plan for the family {family}"
    if other := set(plan.values()) - PROVED:
        return f"the plan of the family {family} splits by {', '.join(sorted(other))}, which is not supported"
    if getattr(config, "quantization_config", None) is not None:
        return "quantised weights are not split"
    heads = text.num_attention_heads
    counts = {"attention heads": heads, "MLP neurons": getattr(text, "intermediate_size", None)}
    if any(name.endswith(_KEYS) and style == "colwise" for name, style in plan.items()):
        counts["key-value heads"] = getattr(text, "num_key_value_heads", None) or heads
    for what, count in counts.items():
        if count is not None and count % shares:
            return f"{count} {what} cannot be divided among {shares} GPUs"
    return ""


def sharing(shares: int) -> dict[str, Any]:
    """How ``from_pretrained`` loads this rank's share."""
    from transformers.distributed import DistributedConfig, parallel_utils, tensor_parallel

    # nnsight 0.8 looks for it where transformers 5.19 had it.
    tensor_parallel._get_parameter_plan = parallel_utils._get_parameter_plan
    return {"distributed_config": DistributedConfig(tp_size=shares)}


def compute_locally(hf: Any) -> None:
    """Let a split model compute on each rank's own numbers, with gradients, too.

    transformers does so for quantised layers. Else, with gradients, values between a layer's modules are
    torch's distributed tensors, which are slower, and do not mix with others.
    """
    for module in hf.modules():
        if isinstance(module, nn.Linear) and is_split(module.weight):
            module._hf_quantized_needs_local_tp = True


def keep_shares(view: Any) -> None:
    """Let nnsight's view of a split model show what modules take in as this rank has it."""
    rules = view.interleaver.fragments.tp_rules
    for location in [location for location in rules if location.endswith(".input")]:
        del rules[location]


def is_split(weight: Any) -> bool:
    """Whether ranks hold parts of a weight."""
    return hasattr(weight, "full_tensor")


def whole(weight: Any) -> Any:
    """A weight put together from the parts of all ranks, which must ask for it at the same time."""
    return weight.full_tensor() if is_split(weight) else weight
