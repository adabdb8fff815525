"""What a model's ``config.json`` says of its size, without loading the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from brodmann.capacity.parameters import Parameters, parameters_of
from brodmann.models.dimensions import expected_layers, expected_neurons, heads_of, hidden_size
from brodmann.runner.footprint import Widths

# Bytes of a number, by the names that configs and safetensors headers use.
WIDTHS = {
    **{"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2},
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1},
}
# What checkpoints of the hub hold, unless they say something else.
USUAL_WIDTH = 2

# What reading numbers from an incomplete configuration comes to.
_INCOMPLETE = (AttributeError, KeyError, TypeError, ValueError, IndexError, ZeroDivisionError)
# Where a multimodal model's configuration has its language model.
_TEXTS = ("text_config", "llm_config")
# What checkpoints of a family leave out, where it is as transformers has it by default.
DEFAULTS = {
    "gemma3_text": {
        **{"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "head_dim": 256},
        **{"num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4},
    }
}
# A setting of models without attention and MLPs (Mamba).
_PURE = "state_size"
# Settings of models of which each block is one of many kinds.
_MANY_KINDS = frozenset({"layers_block_type", "hybrid_override_pattern"})
# Families whose code goes on from a state by several tokens, as a trial at load finds
# (``runner.cache_trial``); others read every sequence whole.
_GO_ON = (
    *("falcon_h1", "qwen3_next", "qwen3_5", "lfm2", "granitemoehybrid", "olmo_hybrid"),
    *("nemotron_h", "zamba2", "mamba2"),
)
# Parts of settings' names that only models with recurrent states or convolutions have.
_STATES = ("mamba", "ssm_", "linear_num_key_heads", "conv_L_cache", "lru_width", _PURE)


@dataclass(frozen=True)
class ModelConfig:
    """A ``config.json``: all of it, and its language model's part."""

    whole: dict[str, Any]
    text: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> ModelConfig | None:
        """Of a folder; with the values that its family has by default, where it leaves these out."""
        if (whole := read_json(folder / "config.json")) is None:
            return None
        text = next((whole[key] for key in _TEXTS if key in whole), whole)
        left_out = DEFAULTS.get(str(text.get("model_type")))
        return cls(whole, {**left_out, **text} if left_out else text)

    @property
    def stateful(self) -> bool:
        """Whether the model has recurrent states or convolutions."""
        return any(part in name for name in self.text for part in _STATES)

    @property
    def shares(self) -> bool:
        """Whether rows that begin alike go on from one state."""
        return self.stateful and str(self.text.get("model_type", "")).startswith(_GO_ON)

    @property
    def multimodal(self) -> bool:
        """Whether its language model is a part of it."""
        return any(key in self.whole for key in _TEXTS)

    @property
    def counted(self) -> bool:
        """Whether its parameters can be told from it: not where its blocks are of many kinds (Zamba 2)."""
        return self.parameters is not None and not _MANY_KINDS & self.text.keys()

    @property
    def quantised(self) -> bool:
        """Whether it says how weights are packed."""
        return self.whole.get("quantization_config") is not None

    @property
    def width(self) -> int:
        """Bytes of a number, by the dtype that it names."""
        named = (
            own.get(key) for own in (self.text, self.whole) for key in ("dtype", "torch_dtype")
        )
        return next((WIDTHS[name] for name in named if name in WIDTHS), USUAL_WIDTH)

    @cached_property
    def parameters(self) -> Parameters | None:
        """None where it leaves out what they are counted from."""
        holder, text = _as_model(self.text), self.text
        if "tie_word_embeddings" not in text and "tie_word_embeddings" in self.whole:
            text = {**text, "tie_word_embeddings": self.whole["tie_word_embeddings"]}
        try:
            hidden, layers = hidden_size(holder), expected_layers(holder)
            heads, keys = _heads(text)
            sizes = {"hidden": hidden, "layers": layers, "heads": heads, "keys": keys}
            return parameters_of(text, **sizes, neurons=_neurons(text, hidden))
        except _INCOMPLETE:
            return None

    def widths(self, width: int) -> Widths | None:
        """The widths that it tells, for numbers of so many bytes; None where it leaves one out."""
        holder, counted = _as_model(self.text), self.parameters
        if counted is None:
            return None
        layers, (heads, keys) = expected_layers(holder), _heads(self.text)
        own = (counted.neurons, heads, keys, self.text["vocab_size"], width, counted.units)
        states = -(-counted.states // layers)
        return Widths(layers, hidden_size(holder), *own, states, counted.count)


def _neurons(text: dict[str, Any], hidden: int) -> int:
    """Of a block's MLP where it has no experts."""
    if _PURE in text:
        return 0
    if text.get("block_auto_adjust_ff_dim"):  # LFM2
        step = text["block_multiple_of"]
        wanted = int(text["block_ffn_dim_multiplier"] * int(2 * text["intermediate_size"] / 3))
        return step * -(-wanted // step)
    return expected_neurons(_as_model(text)) or 4 * hidden


def _heads(text: dict[str, Any]) -> tuple[int, int]:
    """All query and all key heads' dimensions together."""
    if _PURE in text:  # what its blocks work on is as wide
        return (text.get("expand") or 2) * text["hidden_size"], 0
    holder = _as_model(text)
    heads, head = heads_of(holder)
    head = head or hidden_size(holder) // heads
    keys = text.get("num_key_value_heads") or text.get("multi_query_group_num") or heads
    return heads * head, keys * head


def _as_model(texts: dict[str, Any]) -> Any:
    """A language model's configuration, where a model has it."""
    own = SimpleNamespace(**texts)
    return SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: own))


def read_json(path: str | Path) -> dict[str, Any] | None:
    """A JSON file, or None where it is missing or damaged: the job itself says what is wrong."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
