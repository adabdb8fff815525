"""Quantised weights: how many bits a ``quantization_config`` leaves to each, and where they stay packed.

Tables, norms, biases and routers keep their dtype in all formats. Light: no torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

# Bits of what is kept for a group of weights: its scale, and numbers of the blocks that these are packed in.
_FLOAT32, _FLOAT16 = 32, 16
_BNB_BLOCK, _BNB_BLOCKS, _MX_BLOCK, _QUANTO_GROUP = 64, 256, 32, 128
_FULL = 0.0


@dataclass(frozen=True)
class Packing:
    """``name``: of the format. ``linear``, ``experts``: bits of a number in linear layers and in experts,
    with their share of the scales; 0 where these keep their dtype. ``devices``: on which numbers stay packed;
    on others transformers unpacks them when it loads a model."""

    name: str
    linear: float
    experts: float
    devices: tuple[str, ...] = ("cpu", "cuda")

    def bytes(self, *, linear: int, experts: int, others: int, width: int) -> int:
        """Of so many weights, where those that keep their dtype have ``width`` bytes."""

        def packed(count: int, bits: float) -> float:
            return count * (bits / 8 if bits else width)

        return round(packed(linear, self.linear) + packed(experts, self.experts) + others * width)


def packing_of(config: Mapping[str, Any]) -> Packing | None:
    """What a model's configuration says of its format; None where it has none, or one that is not known."""
    own = config.get("quantization_config")
    if not isinstance(own, Mapping) or not (find := _FORMATS.get(str(own.get("quant_method")))):
        return None
    try:
        return find(own)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
        return None  # what is wrong with it is said when the model is loaded


def _bitsandbytes(own: Mapping[str, Any]) -> Packing:
    """Of modules of the kind ``Linear``: transformers 5 stacks experts in tensors, which keep their dtype."""
    if own.get("load_in_8bit") or own.get("_load_in_8bit"):
        return Packing("int8", 8.0, _FULL)
    twice = own.get("bnb_4bit_use_double_quant")
    scale = 8 + _FLOAT32 / _BNB_BLOCKS if twice else _FLOAT32
    return Packing(str(own.get("bnb_4bit_quant_type") or "fp4"), 4 + scale / _BNB_BLOCK, _FULL)


def _mxfp4(own: Mapping[str, Any]) -> Packing:
    kernels = find_spec("kernels") is not None and find_spec("triton") is not None
    return Packing("mxfp4", _FULL, 4 + 8 / _MX_BLOCK, ("cuda",) if kernels else ())


def _fp8(own: Mapping[str, Any]) -> Packing:
    block = own.get("weight_block_size")
    bits = 8 + (_FLOAT32 / (block[0] * block[1]) if block else 0.0)
    return Packing("fp8", bits, bits, ("cuda",))


def _grouped(own: Mapping[str, Any]) -> Packing:
    """GPTQ and AWQ: a scale and a zero for each group of a column."""
    bits = int(own.get("bits") or own.get("w_bit") or 4)
    group = int(own.get("group_size") or own.get("q_group_size") or 128)
    each = bits + ((_FLOAT16 + bits) / group if group > 0 else 0.0)
    return Packing(f"{own['quant_method']} {bits} bits", each, each)


def _compressed(own: Mapping[str, Any]) -> Packing | None:
    groups = own.get("config_groups") or {}
    weights = next((one.get("weights") for one in groups.values()), None) or {}
    if not (bits := weights.get("num_bits")):
        return None
    group = weights.get("group_size") or 0
    each = bits + (_FLOAT16 / group if group > 0 else 0.0)
    # They are unpacked as they are read (``models.quantised``).
    return Packing(f"compressed-tensors {bits} bits", each, each, ())


def _quanto(own: Mapping[str, Any]) -> Packing:
    kind = str(own.get("weights") or "int8")
    narrow = {"int4": 4, "int2": 2}.get(kind)
    bits = 8.0 if narrow is None else narrow + 2 * _FLOAT16 / _QUANTO_GROUP
    return Packing(f"quanto {kind}", bits, _FULL)


_FORMATS: dict[str, Callable[[Mapping[str, Any]], Packing | None]] = {
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "gptq": _grouped,
    "awq": _grouped,
    "compressed-tensors": _compressed,
    "quanto": _quanto,
}
