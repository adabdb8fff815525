"""Large models by their published sizes, with seeded random weights that are drawn where they are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

LLAMA_8B = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500_000.0,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
QWEN_32B = {
    "model_type": "qwen2",
    "architectures": ["Qwen2ForCausalLM"],
    "vocab_size": 152_064,
    "hidden_size": 5120,
    "intermediate_size": 27_648,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
# What stands for either where everything is only tried: the same code, next to no work.
SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


@dataclass(frozen=True)
class Shape:
    """A configuration by its name; ``config`` is what stands in ``config.json``."""

    name: str
    config: dict[str, Any]

    def small(self, vocabulary: int) -> Shape:
        """The same family, tiny; it must know all tokens of the tokenizer that is there."""
        sizes = {key: value for key, value in self.config.items() if key != "head_dim"}
        return Shape(f"{self.name} (small)", {**sizes, **SMALL, "vocab_size": vocabulary})

    def with_layers(self, layers: int) -> Shape:
        """The same, with fewer layers."""
        return Shape(f"{self.name}, {layers} layers", {**self.config, "num_hidden_layers": layers})

    @property
    def layers(self) -> int:
        """Decoder blocks."""
        return int(self.config["num_hidden_layers"])

    @property
    def block_parameters(self) -> int:
        """Numbers in the matrices of one block."""
        own = self.config
        head = own.get("head_dim") or own["hidden_size"] // own["num_attention_heads"]
        attention = 2 * head * (own["num_attention_heads"] + own["num_key_value_heads"])
        return int(own["hidden_size"] * (attention + 3 * own["intermediate_size"]))

    @property
    def head_parameters(self) -> int:
        """Numbers in the LM head."""
        return int(self.config["hidden_size"] * self.config["vocab_size"])

    @property
    def parameters(self) -> int:
        """All matrices."""
        return self.layers * self.block_parameters + 2 * self.head_parameters


LLAMA = Shape("Llama-3.1-8B", LLAMA_8B)
QWEN = Shape("Qwen2.5-32B", QWEN_32B)


def draw(shape: Shape, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    """A transformers model whose weights are drawn on ``device``: nothing passes through the host."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        key: value
        for key, value in shape.config.items()
        if key not in ("model_type", "architectures", "dtype")
    }
    config = AutoConfig.for_model(shape.config["model_type"], **sizes)
    torch.manual_seed(seed)
    with torch.device(device):
        hf = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    with torch.no_grad():
        for parameter in hf.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(std=0.02)
    for parameter in hf.parameters():
        if parameter.device.type != device.type or parameter.dtype != dtype:
            raise RuntimeError(f"weights on {parameter.device} in {parameter.dtype}")
    return hf.eval().requires_grad_(False)
