"""GPTQ and AWQ checkpoints as plain weights, without the packages whose kernels run them packed.

Of a linear layer with weights [out, in] such a checkpoint holds ``qweight``, whole numbers of a few bits, and
for each group of inputs ``scales`` [groups, out] and ``qzeros``; a weight is (number - zero) * scale of its
group. The numbers lie in words of 32 bits: GPTQ packs along the inputs, with zeros one too small (but not in
``gptq_v2``) and with ``g_idx``, the group of each input; AWQ (its layout ``gemm``) packs along the outputs,
the even ones of eight first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from brodmann.errors import UserError
from brodmann.files import read_json

METHODS = ("gptq", "awq")
# Names of a packed layer's tensors, after the layer's own.
_NUMBERS, _SCALES, _ZEROS, _GROUPS = "qweight", "scales", "qzeros", "g_idx"
_WORD = 32
# In the words of AWQ: which of eight neighbouring outputs each four bits are of.
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
_BITS = {"gptq": (2, 4, 8), "awq": (4,)}
# Layouts by which the tensors of this module are read; others are made for single kernels.
_LAYOUTS = {"gptq": ("", "gptq", "gptq_v2"), "awq": ("", "gemm")}


def plain_weights(
    directory: Path, told: Mapping[str, Any], dtype: torch.dtype | None, where: str
) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, packed layers as plain ``weight`` of ``dtype`` (None: that of the scales).

    ``told``: its ``quantization_config``. ``where`` names the model's config entry in errors.
    """
    method = str(told["quant_method"])
    layout = str(told.get("checkpoint_format" if method == "gptq" else "version") or "").lower()
    if layout not in _LAYOUTS[method]:
        what = f"{method} weights of the layout '{layout}' cannot be unpacked"
        known = " or ".join(one for one in _LAYOUTS[method] if one)
        raise UserError.at(f"{where}.dequantize", what, f"take a checkpoint of the layout {known}")
    try:
        held = dict(_tensors(directory))
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file makes a parser raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"the weights in {directory} cannot be read: {reason}"
        raise UserError.at(f"{where}.source", what, "is the download complete?") from error
    if not held:
        what = f"there are no safetensors in {directory}, and nothing else is unpacked"
        raise UserError.at(f"{where}.dequantize", what, "convert its weights to safetensors")
    packed = [name.removesuffix(_NUMBERS) for name in held if name.endswith(f".{_NUMBERS}")]
    for stem in packed:
        own = {
            part: held.pop(f"{stem}{part}", None) for part in (_NUMBERS, _SCALES, _ZEROS, _GROUPS)
        }
        try:
            weight = _gptq(own, layout) if method == "gptq" else _awq(own)
        except (TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
            what = f"{stem.rstrip('.')} cannot be unpacked ({method}): {_reason(own, error)}"
            raise UserError.at(f"{where}.source", what, "is the download complete?") from error
        held[f"{stem}weight"] = weight.to(dtype or own[_SCALES].dtype)
    return held


def _tensors(directory: Path) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import safe_open

    for path in _files(directory):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                yield name, file.get_tensor(name)


def _files(directory: Path) -> list[Path]:
    """Those that make the model: a folder may have its weights in another arrangement, too."""
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        names = set(read_json(index)["weight_map"].values())
        return sorted(directory / name for name in names)
    whole = directory / "model.safetensors"
    return [whole] if whole.is_file() else sorted(directory.glob("*.safetensors"))


def _gptq(own: Mapping[str, torch.Tensor], layout: str) -> torch.Tensor:
    """[out, in], float32."""
    scales = own[_SCALES].float()
    bits = _bits("gptq", own[_ZEROS].shape[1], scales.shape[1])
    numbers = _unpacked(own[_NUMBERS].T, bits).T  # [in, out]
    zeros = _unpacked(own[_ZEROS], bits) + (layout != "gptq_v2")  # [groups, out]
    return _weights(numbers, zeros, scales, own[_GROUPS])


def _awq(own: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """[out, in], float32."""
    scales = own[_SCALES].float()
    bits = _bits("awq", own[_NUMBERS].shape[1], scales.shape[1])
    order = torch.tensor(_AWQ_ORDER).argsort()

    def sorted_(packed: torch.Tensor) -> torch.Tensor:
        found = _unpacked(packed, bits)
        return found.unflatten(1, (-1, len(order)))[..., order].flatten(1)

    numbers, zeros = sorted_(own[_NUMBERS]), sorted_(own[_ZEROS])
    return _weights(numbers, zeros, scales, None)


def _weights(
    numbers: torch.Tensor, zeros: torch.Tensor, scales: torch.Tensor, groups: torch.Tensor | None
) -> torch.Tensor:
    """[out, in] of ``numbers`` [in, out], ``zeros`` and ``scales`` [groups, out].

    ``groups``: that of each input; without it, neighbours are together.
    """
    if groups is None:
        groups = torch.arange(len(numbers)) // -(-len(numbers) // len(scales))
    groups = groups.long()
    return ((numbers - zeros[groups]) * scales[groups]).T.contiguous()


def _bits(method: str, words: int, numbers: int) -> int:
    """How many a number has, of which a row of so many takes so many words."""
    bits, rest = divmod(_WORD * words, numbers)
    if rest or bits not in _BITS[method]:
        known = ", ".join(map(str, _BITS[method]))
        raise ValueError(f"{_WORD * words / numbers:.3g} bits a number (known: {known})")
    return bits


def _unpacked(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Whole numbers [rows, columns * 32 / bits] of int32 words [rows, columns], the lowest bits first."""
    shifts = torch.arange(0, _WORD, bits, dtype=torch.int32)
    # The highest bit of a word is its sign, which a shift repeats: the mask takes it away.
    return ((words[..., None] >> shifts) & ((1 << bits) - 1)).flatten(1)


def _reason(own: Mapping[str, torch.Tensor | None], error: Exception) -> str:
    missing = [part for part in (_NUMBERS, _SCALES, _ZEROS) if own[part] is None]
    return f"it has no {', '.join(missing)}" if missing else str(error).splitlines()[0]
