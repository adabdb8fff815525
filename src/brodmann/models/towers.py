"""The language model inside a multimodal checkpoint: it alone is loaded, as a model of its own family.

What sees or hears has no part in a text. Its weights are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brodmann.errors import UserError

# Multimodal families whose language model was compared with the whole (tests/unit/models/test_towers.py).
_PROVED = frozenset(
    {
        *("gemma3", "llama4", "mistral3", "llava", "internvl"),
        *("qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
    }
)
# Language models that are plain ones on texts: there the three positions of a token are the same number.
_PLAIN = {"qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen3_vl_text": "qwen3"}
_OF_THREE = ("mrope_section", "mrope_interleaved")
# How checkpoints call what a language model of its own has as model.* and lm_head.*.
_NAMES = {
    r"^model\.language_model\.": "model.",
    r"^language_model\.model\.": "model.",
    r"^language_model\.lm_head\.": "lm_head.",
}


@dataclass(frozen=True)
class Tower:
    """``family``: the multimodal model's. ``config``: the language model's, of transformers. ``names``: what
    weights are called in the multimodal checkpoint -> in the language model, as patterns."""

    family: str
    config: Any
    names: Mapping[str, str]


def find_tower(config: Any, where: str) -> Tower | None:
    """The language model of a multimodal checkpoint, by its configuration; None of any other, and where
    transformers decides. ``where`` names the model's config entry in errors.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    text, family = getattr(config, "text_config", None), getattr(config, "model_type", "")
    if text is None or getattr(config, "auto_map", None):
        return None
    if family in _PROVED:
        return Tower(family, _alone(config, text), _NAMES)
    if family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return None
    what = f"the language model of the multimodal family '{family}' is not supported"
    raise UserError.at(f"{where}.source", what, f"supported are {', '.join(sorted(_PROVED))}")


def _alone(config: Any, text: Any) -> Any:
    """The configuration of a language model, with what the multimodal one says of it."""
    from transformers import CONFIG_MAPPING

    if (plain := _PLAIN.get(text.model_type)) is not None:
        own = {key: value for key, value in text.to_dict().items() if key != "model_type"}
        rotary = own.get("rope_parameters") or {}
        own["rope_parameters"] = {k: v for k, v in rotary.items() if k not in _OF_THREE}
        text = CONFIG_MAPPING[plain](**own)
    text.dtype = text.dtype or config.dtype
    text.tie_word_embeddings = getattr(config, "tie_word_embeddings", text.tie_word_embeddings)
    if (packed := getattr(config, "quantization_config", None)) is not None:
        text.quantization_config = packed
    return text
