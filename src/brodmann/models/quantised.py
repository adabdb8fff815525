"""Quantised weights of a checkpoint: how they are loaded, whether they stay packed, and whether gradients go
through them.

Where weights are unpacked they are plain ones, of the values that their format can hold: everything works.
Where they stay packed their modules compute with them, by kernels that may have no gradients.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brodmann.errors import Problem, UserError
from brodmann.models import grouped
from brodmann.models.packing import packing_of

# Formats that transformers unpacks as it reads them if it is told to, and those that it unpacks afterwards.
_AS_READ = ("fp8", "mxfp4", "compressed-tensors")
_AFTERWARDS = ("bitsandbytes", "hqq")
# The package would unpack them in the model's first pass, where modules are wrapped already.
_AT_ONCE = "compressed-tensors"
# What a tensor is called that says how the weight of its module is packed.
_SAYS_HOW = re.compile(r"(.+)\.(?:weight[._].+|scales?|scale_inv|qscale_weight|SCB)")
# Where the modules come from that cannot compute with packed weights.
_PLAIN_MODULES = ("torch.nn.", "transformers.models.")
# Dtypes of weights that are packed.
_PACKED = frozenset(
    getattr(torch, name)
    for name in ("uint8", "int8", "int32", "float8_e4m3fn", "float8_e5m2", "float4_e2m1fn_x2")
    if hasattr(torch, name)
)


@dataclass(frozen=True)
class Quantised:
    """``format``: of the checkpoint. ``packed``: whether its weights are so in memory. ``gradients``: whether
    the model's logits can be differentiated."""

    format: str
    packed: bool
    gradients: bool

    def facts(self) -> dict[str, Any]:
        """For the model's card."""
        return asdict(self)

    def refusal(self, name: str) -> Problem:
        """Why gradients cannot be asked for."""
        what = f"no gradients go through its weights ({self.format}), which attribution needs"
        fix = f"set models.{name}.dequantize: true, if its format can be unpacked"
        return Problem(f"models.{name}.source", what, fix)


def configuration(directory: str | Path, trust_remote_code: bool) -> Any:
    """A checkpoint's configuration; None where there is something wrong with it, which is said elsewhere."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception:  # whatever a damaged or foreign file makes a parser raise
        return None


def _told(config: Any) -> dict[str, Any]:
    """What a configuration says of how weights are packed."""
    own = getattr(config, "quantization_config", None)
    return dict(own) if isinstance(own, dict) else own.to_dict() if own is not None else {}


def format_of(config: Any) -> str:
    """What the format of a checkpoint is called; "" where its configuration says nothing of any."""
    own = _told(config)
    method = str(getattr(own.get("quant_method"), "value", own.get("quant_method") or ""))
    packing = packing_of({"quantization_config": {**own, "quant_method": method}})
    return packing.name if packing else method


def unpacked_as_read(
    directory: Path, config: Any, dtype: torch.dtype | str, name: str
) -> dict[str, torch.Tensor] | None:
    """The tensors of a checkpoint of a format that brodmann unpacks itself, whose configuration then says
    nothing of it; None for others, whose configuration then asks transformers for it.

    ``dtype``: ``auto`` is that of the scales. An error where neither can unpack it.
    """
    own = _told(config)
    if own.get("quant_method") not in grouped.METHODS:
        ask_unpacked(config, name)
        return None
    wide = dtype if isinstance(dtype, torch.dtype) else None
    weights = grouped.plain_weights(directory, own, wide, config.model_type, f"models.{name}")
    forget(config)
    return weights


def forget(config: Any) -> None:
    """Let a configuration say nothing of packed weights: those that it is of now are plain."""
    for own in (config, config.get_text_config()):
        vars(own).pop("quantization_config", None)


def require_known(config: Any, name: str) -> None:
    """An error where transformers does not know the format: it would take packed numbers for weights."""
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as known

    own = _told(config)
    method = getattr(own.get("quant_method"), "value", own.get("quant_method"))
    narrow = own.get("load_in_4bit") or own.get("load_in_8bit")
    if method is None or narrow or method in ("bitsandbytes", *map(str, known)):
        return
    what = f"transformers does not know weights of the format {method}"
    fix = "take another checkpoint; if its weights are plain, remove quantization_config from its config.json"
    raise UserError.at(f"models.{name}.source", what, fix)


def unread(
    hf: Any, unexpected: Collection[str], weights: Mapping[str, torch.Tensor] | None, where: str
) -> list[Problem]:
    """What is wrong with a loaded model if what its weights mean is said by tensors that were not read.

    ``unexpected``: tensors that it has no place for. ``weights``: those that it was given unpacked; their
    packages give every layer a bias, of zeros where it has none.
    """
    problems = []
    for key in sorted(unexpected):
        found = _SAYS_HOW.fullmatch(key)
        if found is not None and f"{found[1]}.weight" not in unexpected:
            what = f"{key} says how a weight is packed, and was not read"
            fix = "does quantization_config in its config.json say the format of these weights?"
            problems.append(Problem(f"{where}.source", what, fix))
        bias = None if weights is None or not key.endswith(".bias") else weights.get(key)
        if (
            bias is not None
            and f"{key.removesuffix('bias')}weight" not in unexpected
            and bias.any()
        ):
            what = f"{key} is not 0, and the model has no such bias"
            problems.append(Problem(f"{where}.source", what))
    for path, module in hf.named_modules():
        if not f"{type(module).__module__}.".startswith(_PLAIN_MODULES):
            continue
        for part, own in module.named_parameters(recurse=False):
            if own.dtype in _PACKED and type(own.data) is torch.Tensor:
                kind = str(own.dtype).removeprefix("torch.")
                what = f"{path}.{part} is packed ({kind}), and nothing says how"
                problems.append(Problem(f"{where}.source", what, "is the download complete?"))
    return (problems or _wrong_on_the_cpu(hf, where))[:1]


def _wrong_on_the_cpu(hf: Any, where: str) -> list[Problem]:
    """Weights of four bits that bitsandbytes (0.50) unpacks wrongly there: rows that end within a block."""
    problems = []
    for name, own in hf.named_parameters():
        state = getattr(own, "quant_state", None)
        if state is None or own.device.type != "cpu" or not state.shape[-1] % state.blocksize:
            continue
        what = (
            f"{name} has rows of {state.shape[-1]} numbers in blocks of {state.blocksize}, which "
        )
        what += "bitsandbytes unpacks wrongly on the CPU"
        problems.append(Problem(f"{where}.source", what, "run the model on a GPU"))
    return problems


def require_kernels(config: Any, name: str) -> None:
    """An error where weights would stay packed whose kernels are in a package that is not there."""
    method = str(_told(config).get("quant_method"))
    if method in grouped.METHODS and find_spec("gptqmodel") is None:
        what = f"the kernels of {method} weights are in packages that are not installed"
        fix = "pip install optimum gptqmodel, or set dequantize: true, as large as plain weights"
        raise UserError.at(f"models.{name}.source", what, fix)


def ask_unpacked(config: Any, name: str) -> None:
    """Let a configuration say that weights are to be unpacked; an error if they cannot be."""
    own, where = _told(config), f"models.{name}.dequantize"
    if not own:
        raise UserError.at(where, "its weights are not quantised", "remove it")
    method = str(own.get("quant_method"))
    if method not in (*_AS_READ, *_AFTERWARDS):
        raise UserError.at(where, f"transformers does not unpack {method} weights", "remove it")
    if method in _AS_READ:
        config.quantization_config = {**own, "dequantize": True}


def never_stays_packed(config: Any) -> bool:
    """Whether weights are unpacked in any case: then it is done as they are read."""
    return str(_told(config).get("quant_method")) == _AT_ONCE


def unpack(hf: Any, dtype: torch.dtype | str) -> None:
    """Unpack a loaded model's weights, if that was not done as they were read (``dtype`` auto: to theirs)."""
    if not is_packed(hf):
        return
    wide = dtype if isinstance(dtype, torch.dtype) else hf.dtype
    for own in hf.parameters():
        if (state := getattr(own, "quant_state", None)) is not None:
            state.dtype = wide  # of what bitsandbytes unpacks four bits to
    hf.dequantize(dtype=wide)


def in_one_dtype(hf: Any, dtype: torch.dtype | str) -> None:
    """Let weights that are plain have the dtype that was asked for. transformers reads those that were never
    packed as they are in a quantised checkpoint."""
    if not isinstance(dtype, torch.dtype) or is_packed(hf):
        return
    kept = tuple(hf._get_dtype_plan(dtype))  # in float32, by parts of their names
    for name, own in hf.named_parameters():
        if own.is_floating_point() and not any(part in name for part in kept):
            own.data = own.data.to(dtype)


def is_packed(hf: Any) -> bool:
    """Whether some of a model's tensors hold packed weights."""
    tensors = (*hf.parameters(), *hf.buffers())
    return any(own.dtype in _PACKED or type(own.data) is not torch.Tensor for own in tensors)


def found(hf: Any, format_: str) -> Quantised | None:
    """What a loaded model's weights are; None where its checkpoint is of no format."""
    if not format_:
        return None
    packed = is_packed(hf)
    return Quantised(format_, packed, not packed or has_gradients(hf))


def has_gradients(hf: Any) -> bool:
    """Whether gradients of the logits of a few tokens come to their embeddings through every module.

    Kernels may have no backward pass, or none once they have run without gradients; then they fail, warn, or
    put out what has no history. Residual streams would have gradients all the same, and wrong ones.
    """
    seen: list[torch.Tensor] = []
    cut: list[nn.Module] = []

    def watch(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        seen.append(output.detach().requires_grad_(True))
        return seen[0]

    def follow(module: nn.Module, inputs: Any, output: Any) -> None:
        if not torch.is_grad_enabled():  # the model's own choice of what is attended to has none
            return
        tensors = [one for one in inputs if torch.is_tensor(one)]
        if any(one.requires_grad for one in tensors) and torch.is_tensor(output):
            cut.extend([] if output.requires_grad else [module])

    embedding = hf.get_input_embeddings()
    ids = torch.arange(4, device=embedding.weight.device)[None]
    with torch.no_grad():
        hf(input_ids=ids)
    # What turns positions into angles is given activations, too, for their dtype: it has no weights.
    weighted = [one for one in hf.modules() if one is not embedding and _has_weights(one)]
    handles = [module.register_forward_hook(follow) for module in weighted]
    handles.append(embedding.register_forward_hook(watch))
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*autograd kernel was not registered")
            logits = hf(input_ids=ids).logits
            (gradient,) = torch.autograd.grad(logits.float().square().sum(), seen)
    except (RuntimeError, NotImplementedError, UserWarning):
        return False
    finally:
        for handle in handles:
            handle.remove()
    return not cut and bool(torch.isfinite(gradient).all() and gradient.abs().max() > 0)


def _has_weights(module: nn.Module) -> bool:
    """Whether a module has some itself, plain or packed."""
    packed = (own.dtype in _PACKED for own in module.buffers(recurse=False))
    return any(True for _ in module.parameters(recurse=False)) or any(packed)


def count(hf: Any) -> int:
    """Numbers in a packed model's weights, those that modules share counted once."""
    shared = getattr(hf, "all_tied_weights_keys", {})
    total = 0
    for path, module in hf.named_modules():
        own = dict(module.named_parameters(recurse=False))
        wide = [getattr(module, name, None) for name in ("in_features", "out_features")]
        weight = own.get("weight")
        if all(isinstance(n, int) for n in wide) and not _plain(weight):
            total += wide[0] * wide[1]
            own = {name: tensor for name, tensor in own.items() if name == "bias"}
        total += sum(
            p.numel() for name, p in own.items() if f"{path}.{name}".lstrip(".") not in shared
        )
    return total


def _plain(weight: torch.Tensor | None) -> bool:
    return weight is not None and weight.dtype not in _PACKED and type(weight.data) is torch.Tensor
