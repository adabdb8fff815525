"""Quantised checkpoints, and plain models of the values that they hold.

Each maker writes a checkpoint into a folder as it would come from the hub, and returns the plain model.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import tiny_tokenizer
from torch import nn

Table = list[list[int]]  # whole numbers, by output and input or group
Weights = tuple[
    dict[str, torch.Tensor], list[int]
]  # a packed layer's tensors, and each input's group
Pack = Callable[[str, Table, Table, torch.Tensor], Weights]

FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
INT4 = {
    **{"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"]},
    "quantization_status": "compressed",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {
                **{"num_bits": 4, "type": "int", "symmetric": True},
                **{"strategy": "group", "group_size": 32},
            },
        }
    },
}
MXFP4 = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head", "model.embed_tokens"]}
_BLOCK = 128
_LARGEST_FP8 = 448
# What four bits mean in MXFP4.
_FP4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6])


def llama(width: int = 32) -> nn.Module:
    """A Llama of three layers, in evaluation mode."""
    torch.manual_seed(2)
    config = transformers.LlamaConfig(
        **{"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 3},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 261},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 512},
    )
    model = transformers.LlamaForCausalLM(config).eval()
    for value in model.parameters():
        nn.init.normal_(value, std=1.2 / width**0.5)
    return model


def written(folder: Path, model: nn.Module, weights: dict[str, Any], packed: Any) -> None:
    """A checkpoint of these tensors, whose configuration says how they are packed."""
    model.config.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": packed}))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def fp8(folder: Path, width: int = 32) -> nn.Module:
    """Projections of a Llama in FP8, with a scale for each square of 128."""
    model, weights = llama(width), {}
    for name, value in model.state_dict().items():
        weights[name] = value.clone()
        if not name.endswith("_proj.weight"):
            continue
        rows, columns = value.shape
        scales = torch.empty(-(-rows // _BLOCK), -(-columns // _BLOCK))
        narrow = torch.empty(rows, columns, dtype=torch.float8_e4m3fn)
        for i in range(scales.shape[0]):
            for j in range(scales.shape[1]):
                at = (slice(i * _BLOCK, (i + 1) * _BLOCK), slice(j * _BLOCK, (j + 1) * _BLOCK))
                scales[i, j] = value[at].abs().max() / _LARGEST_FP8
                narrow[at] = (value[at] / scales[i, j]).to(narrow.dtype)
                value[at] = narrow[at].float() * scales[i, j]
        weights[name], weights[f"{name}_scale_inv"] = narrow, scales
    written(folder, model, weights, FP8)
    return model


def int4(folder: Path, width: int = 64) -> nn.Module:
    """Projections of a Llama as compressed-tensors has them: eight numbers in 32 bits, a scale for 32."""
    model, weights = llama(width), {}
    for name, value in model.state_dict().items():
        if not name.endswith("_proj.weight"):
            weights[name] = value.clone()
            continue
        rows, columns = value.shape
        groups = value.view(rows, columns // 32, 32)
        scales = groups.abs().amax(-1) / 7
        held = (groups / scales[..., None]).round().clamp(-8, 7)
        value.copy_((held * scales[..., None]).view(rows, columns))
        eights = (held.view(rows, columns // 8, 8) + 8).long() << (4 * torch.arange(8))
        stem = name.removesuffix("weight")
        # The highest of the 32 bits is a sign.
        weights[f"{stem}weight_packed"] = eights.sum(-1).numpy().astype("uint32").view("int32")
        weights[f"{stem}weight_packed"] = torch.from_numpy(weights[f"{stem}weight_packed"])
        weights[f"{stem}weight_scale"] = scales
        weights[f"{stem}weight_shape"] = torch.tensor([rows, columns])
    written(folder, model, weights, INT4)
    return model


GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": False}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
_GROUP = 32


def gptq(
    folder: Path,
    model: nn.Module,
    *,
    bits: int = 4,
    layout: str = "gptq",
    ordered: bool = True,
    group: int = _GROUP,
    groups_said: bool = True,
    inputs_first: bool = False,
) -> nn.Module:
    """Projections of a model as GPTQ packs them: along the inputs, zeros one too small but in version 2.

    ``ordered``: whether the inputs of a group are neighbours. ``group``: how many it has. ``groups_said``:
    whether the checkpoint says each input's. ``inputs_first``: the model's own weights are [in, out]."""
    dice = random.Random(4)
    step = 0 if layout == "gptq_v2" else 1

    def stored(zero: int) -> int:
        """Negative ones borrow from the next in their word, if words hold whole numbers."""
        return zero - step if 32 % bits == 0 else (zero - step) % (1 << bits)

    def pack(stem: str, numbers: Table, zeros: Table, scales: torch.Tensor) -> Weights:
        inputs = len(numbers[0])
        group_of = [number // group for number in range(inputs)]
        if not ordered:
            dice.shuffle(group_of)
        held = {
            "qweight": _words([list(column) for column in numbers], bits).T.contiguous(),
            "qzeros": _words([list(map(stored, row)) for row in zip(*zeros, strict=True)], bits),
            "scales": scales.T.contiguous(),
        }
        if groups_said:
            held["g_idx"] = torch.tensor(group_of, dtype=torch.int32)
        return {f"{stem}{name}": value for name, value in held.items()}, group_of

    told = {**GPTQ, "bits": bits, "checkpoint_format": layout, "desc_act": not ordered}
    told["group_size"] = group
    return _grouped(folder, model, bits, told, pack, inputs_first)


def awq(folder: Path, model: nn.Module) -> nn.Module:
    """The same as AWQ packs them: along the outputs, the even ones of eight first."""
    first = [0, 2, 4, 6, 1, 3, 5, 7]

    def dealt(row: list[int]) -> list[int]:
        return [row[start + n] for start in range(0, len(row), 8) for n in first]

    def pack(stem: str, numbers: Table, zeros: Table, scales: torch.Tensor) -> Weights:
        held = {
            "qweight": _words([dealt(list(row)) for row in zip(*numbers, strict=True)], 4),
            "qzeros": _words([dealt(list(row)) for row in zip(*zeros, strict=True)], 4),
            "scales": scales.T.contiguous(),
        }
        group_of = [number // _GROUP for number in range(len(numbers[0]))]
        return {f"{stem}{name}": value for name, value in held.items()}, group_of

    return _grouped(folder, model, 4, AWQ, pack)


def _words(rows: Table, bits: int) -> torch.Tensor:
    """Each row's numbers in words of 32 bits, the first of a word lowest; three bits lie across words."""
    words = 1 if 32 % bits == 0 else bits
    each = 32 * words // bits
    found = []
    for row in rows:
        whole = [
            sum(number << (bits * place) for place, number in enumerate(row[start : start + each]))
            for start in range(0, len(row), each)
        ]
        parts = [one >> (32 * word) & 0xFFFFFFFF for one in whole for word in range(words)]
        found.append([part - (1 << 32) if part >> 31 else part for part in parts])
    return torch.tensor(found).int()


def _grouped(
    folder: Path,
    model: nn.Module,
    bits: int,
    told: Any,
    pack: Pack,
    inputs_first: bool = False,
) -> nn.Module:
    """A checkpoint whose projections [out, in] are random whole numbers with zeros and scales; the model is
    given the weights that they mean."""
    torch.manual_seed(6)
    model.save_pretrained(folder)
    weights: dict[str, torch.Tensor] = {}
    plain = load_file(folder / "model.safetensors")
    for name, value in list(plain.items()):
        if not name.endswith("_proj.weight"):
            weights[name] = value
            continue
        out, into = value.T.shape if inputs_first else value.shape
        groups = -(-into // told["group_size"])
        numbers = torch.randint(0, 1 << bits, (out, into)).tolist()
        zeros = torch.randint(0, 1 << bits, (out, groups)).tolist()
        scales = ((0.5 + torch.rand(out, groups)) / ((1 << bits) * into**0.5)).half()
        held, group_of = pack(name.removesuffix("weight"), numbers, zeros, scales)
        weights |= held
        meant = [
            [
                (number - zero_of[group]) * scale_of[group]
                for number, group in zip(row, group_of, strict=True)
            ]
            for row, zero_of, scale_of in zip(numbers, zeros, scales.tolist(), strict=True)
        ]
        plain[name] = torch.tensor(meant).T.contiguous() if inputs_first else torch.tensor(meant)
    save_file(plain, folder / "model.safetensors", {"format": "pt"})
    found = type(model).from_pretrained(folder, dtype=torch.float32).eval()
    written(folder, model, weights, told)
    return found


def torchao(folder: Path, width: int = 64) -> nn.Module:
    """A Llama in eight bits that torchao packs; its tensors say themselves what they hold."""
    from torchao.quantization import Int8WeightOnlyConfig

    plain = llama(width)
    plain.save_pretrained(folder / "plain")
    config = transformers.TorchAoConfig(Int8WeightOnlyConfig())
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder / "plain", quantization_config=config, device_map={"": "cpu"}, dtype=torch.float32
    )
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    held = {
        name: value if type(value) is torch.Tensor else value.dequantize()
        for name, value in model.state_dict().items()
    }
    plain.load_state_dict(held)
    return plain


def mxfp4(folder: Path, width: int = 32) -> nn.Module:
    """Experts of a gpt-oss in MXFP4: two numbers in a byte, a power of two for 32 of them."""
    torch.manual_seed(3)
    config = transformers.GptOssConfig(
        **{"hidden_size": width, "intermediate_size": width, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": width // 4},
        **{"num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 261},
        **{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 512},
    )
    model, weights = transformers.GptOssForCausalLM(config).eval(), {}
    for name, value in model.state_dict().items():
        if value.ndim != 3:
            nn.init.normal_(value, std=1.2 / width**0.5)
            weights[name] = value.clone()
            continue
        experts, into, out = value.shape
        blocks = torch.randint(0, 256, (experts, out, into // 32, 16), dtype=torch.uint8)
        scales = torch.randint(122, 125, (experts, out, into // 32), dtype=torch.uint8)
        weights[f"{name}_blocks"], weights[f"{name}_scales"] = blocks, scales
        pairs = torch.stack([_FP4[(blocks & 15).long()], _FP4[(blocks >> 4).long()]], -1)
        held = pairs.flatten(-2) * 2.0 ** (scales.float()[..., None] - 127)
        value.copy_(held.flatten(-2).transpose(1, 2))
    written(folder, model, weights, MXFP4)
    return model


def packed_by_transformers(
    config: Callable[[], Any], device: str = "cpu"
) -> Callable[..., nn.Module]:
    """A Llama that transformers itself packs and saves; what it holds is what it unpacks."""

    def make(folder: Path, width: int = 32) -> nn.Module:
        plain = llama(width)
        plain.save_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=config(), device_map={"": device}, dtype=torch.float32
        )
        model.save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        unpacked = copy.deepcopy(model).dequantize(dtype=torch.float32).state_dict()
        plain.load_state_dict({name: value.float().cpu() for name, value in unpacked.items()})
        return plain

    return make


def nf4() -> Any:
    """How bitsandbytes packs four bits."""
    return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")


def int8() -> Any:
    """How bitsandbytes packs eight bits."""
    return transformers.BitsAndBytesConfig(load_in_8bit=True)
