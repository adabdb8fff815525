"""GPTQ and AWQ checkpoints as plain weights, without the packages whose kernels run them packed.

Of a linear layer with weights [out, in] such a checkpoint holds ``qweight``, whole numbers of a few bits, and
for each group of inputs ``scales`` [groups, out] and ``qzeros``; a weight is (number - zero) * scale of its
group. The numbers lie in words of 32 bits: GPTQ packs along the inputs, with zeros one too small (but not in
``gptq_v2``) and with ``g_idx``, the group of each input; numbers of three bits lie across the ends of words.
AWQ (its layout ``gemm``) packs along the outputs, the even ones of eight first.
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
_BITS = {"gptq": (2, 3, 4, 8), "awq": (4,)}
# Layouts by which the tensors of this module are read; others are made for single kernels.
_LAYOUTS = {"gptq": ("gptq", "gptq_v2"), "awq": ("gemm",)}
# Where a configuration says the layout; the first that is there counts.
_SAID_IN = {
    "gptq": ("checkpoint_format", "format"),
    "awq": ("version", "format", "checkpoint_format"),
}
# Families whose linear layers have weights [in, out].
_INPUTS_FIRST = ("gpt2", "openai-gpt")


def plain_weights(
    directory: Path, told: Mapping[str, Any], dtype: torch.dtype | None, family: str, where: str
) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, packed layers as plain ``weight`` of ``dtype`` (None: that of the scales).

    ``told``: its ``quantization_config``. ``family``: its model type. ``where`` names the model's config
    entry in errors.
    """
    method = str(told["quant_method"])
    layout = _layout(method, told)
    if layout not in _LAYOUTS[method]:
        what = f"{method} weights of the layout '{layout}' cannot be unpacked"
        fix = f"take a checkpoint of the layout {' or '.join(_LAYOUTS[method])}"
        raise UserError.at(f"{where}.dequantize", what, fix)
    if rotation := told.get("rotation"):
        what = f"its activations are to be rotated as it runs ({rotation}), which plain weights do not do"
        raise UserError.at(f"{where}.dequantize", what, "take a checkpoint without rotation")
    group = told.get("group_size") or told.get("q_group_size")
    size = group if isinstance(group, int) else None
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
            weight = _gptq(own, layout, size) if method == "gptq" else _awq(own, size)
        except (TypeError, AttributeError, ValueError, RuntimeError, IndexError) as error:
            what = f"{stem.rstrip('.')} cannot be unpacked ({method}): {_reason(own, error)}"
            raise UserError.at(f"{where}.source", what, "is the download complete?") from error
        if family in _INPUTS_FIRST and stem != "lm_head.":
            weight = weight.T.contiguous()
        held[f"{stem}weight"] = weight.to(dtype or own[_SCALES].dtype)
    return held


def _layout(method: str, told: Mapping[str, Any]) -> str:
    """In small letters."""
    if told.get("is_marlin_format"):
        return "marlin"
    if told.get("backend") == "llm-awq":
        return "llm-awq"
    said = (str(told[key]).lower() for key in _SAID_IN[method] if told.get(key))
    return next(said, _LAYOUTS[method][0])


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


def _gptq(own: Mapping[str, torch.Tensor], layout: str, size: int | None) -> torch.Tensor:
    """[out, in], float32."""
    scales = own[_SCALES].float()
    bits = _bits("gptq", own[_ZEROS].shape[1], scales.shape[1])
    numbers = _unpacked(own[_NUMBERS].T, bits).T  # [in, out]
    zeros = _zeros(own[_ZEROS], bits, layout)  # [groups, out]
    return _weights(numbers, zeros, scales, own[_GROUPS], size)


def _zeros(words: torch.Tensor, bits: int, layout: str) -> torch.Tensor:
    """The zeros in GPTQ's words; the first version takes one away from each before it writes them.

    A zero that was 0 is then the largest number. Where numbers do not lie across words, it was taken away
    from whole words, so that it borrows from the next number; it is added likewise.
    """
    if layout == "gptq_v2":
        return _unpacked(words, bits)
    if _WORD % bits:
        return (_unpacked(words, bits) + 1) & ((1 << bits) - 1)
    return _unpacked(words + sum(1 << place for place in range(0, _WORD, bits)), bits)


def _awq(own: Mapping[str, torch.Tensor], size: int | None) -> torch.Tensor:
    """[out, in], float32."""
    scales = own[_SCALES].float()
    bits = _bits("awq", own[_NUMBERS].shape[1], scales.shape[1])
    order = torch.tensor(_AWQ_ORDER).argsort()

    def sorted_(packed: torch.Tensor) -> torch.Tensor:
        found = _unpacked(packed, bits)
        return found.unflatten(1, (-1, len(order)))[..., order].flatten(1)

    numbers, zeros = sorted_(own[_NUMBERS]), sorted_(own[_ZEROS])
    return _weights(numbers, zeros, scales, None, size)


def _weights(
    numbers: torch.Tensor,
    zeros: torch.Tensor,
    scales: torch.Tensor,
    groups: torch.Tensor | None,
    size: int | None,
) -> torch.Tensor:
    """[out, in] of ``numbers`` [in, out], ``zeros`` and ``scales`` [groups, out].

    ``groups``: that of each input; without it, ``size`` neighbours are together (-1: all).
    """
    if zeros.shape != scales.shape or numbers.shape[1] != scales.shape[1]:
        shapes = f"{list(numbers.shape)}, {list(zeros.shape)} and {list(scales.shape)}"
        raise ValueError(f"numbers, zeros and scales do not go together ({shapes})")
    if groups is None:
        groups = torch.arange(len(numbers)) // _group_size(len(numbers), len(scales), size)
    if len(groups) != len(numbers):
        raise ValueError(f"groups of {len(groups)} inputs, numbers of {len(numbers)}")
    groups = groups.long()
    return ((numbers - zeros[groups]) * scales[groups]).T.contiguous()


def _group_size(inputs: int, groups: int, size: int | None) -> int:
    """How many of the inputs a group has; ``size`` is what the configuration says of most layers."""
    if size is not None and -(-inputs // (size if size > 0 else inputs)) == groups:
        return size if size > 0 else inputs
    each, rest = divmod(inputs, groups)
    if rest:
        raise ValueError(f"{inputs} inputs in {groups} groups")
    return each


def _bits(method: str, words: int, numbers: int) -> int:
    """How many a number has, of which a row of so many takes so many words."""
    bits, rest = divmod(_WORD * words, numbers)
    if rest or bits not in _BITS[method]:
        known = ", ".join(map(str, _BITS[method]))
        raise ValueError(f"{_WORD * words / numbers:.3g} bits a number (known: {known})")
    return bits


def _unpacked(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Whole numbers [rows, columns * 32 / bits] of int32 words [rows, columns], the lowest bits first."""
    if words.dtype != torch.int32:
        raise TypeError(f"words are {words.dtype}, not torch.int32".replace("torch.", ""))
    mask = (1 << bits) - 1
    # The highest bit of a word is its sign, which a shift repeats: the mask takes it away.
    if _WORD % bits == 0:
        shifts = torch.arange(0, _WORD, bits, dtype=torch.int32)
        return ((words[..., None] >> shifts) & mask).flatten(1)
    first = torch.arange(words.shape[1] * _WORD // bits) * bits
    # Each word with the next one above it.
    pairs = (words.long() & 0xFFFFFFFF) | (words.long().roll(-1, 1) << _WORD)
    return ((pairs[:, first // _WORD] >> first % _WORD) & mask).int()


def _reason(own: Mapping[str, torch.Tensor | None], error: Exception) -> str:
    missing = [part for part in (_NUMBERS, _SCALES, _ZEROS) if own[part] is None]
    return f"it has no {', '.join(missing)}" if missing else str(error).splitlines()[0]
