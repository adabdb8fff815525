"""What a model's configuration says of its layers, widths and heads, under the names of its family. Light."""

from __future__ import annotations

from typing import Any


def text_config(model: Any) -> Any:
    """The configuration of the language model, also inside a multimodal one."""
    return model.config.get_text_config()


def first_number(config: Any, names: tuple[str, ...]) -> int | None:
    """The first of these names that is a whole number in a configuration; None without."""
    values = (setting(config, name) for name in names)
    return next((value for value in values if isinstance(value, int)), None)


def setting(config: Any, name: str) -> Any:
    """A value of a configuration; None where there is none, or not one for all layers."""
    try:
        return getattr(config, name, None)
    except Exception:  # transformers refuses what differs between layers (Gemma 4's heads)
        return None


def has_number(model: Any, name: str) -> bool:
    """Whether the language model's configuration has a number of this name."""
    return isinstance(setting(text_config(model), name), int | float)


def expected_layers(model: Any) -> int | None:
    """The number of decoder blocks by the model's configuration."""
    return first_number(
        text_config(model), ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
    )


def hidden_size(model: Any) -> int:
    """The width of the residual stream."""
    width = first_number(text_config(model), ("hidden_size", "n_embd", "d_model"))
    return width if width is not None else model.get_input_embeddings().weight.shape[-1]


def expected_neurons(model: Any) -> int | None:
    """The number of MLP neurons by the model's configuration, None if it does not say."""
    config = text_config(model)
    if setting(config, "block_auto_adjust_ff_dim") is True:
        return None  # LFM2 rounds what is written there
    names = ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner")
    # Granite's hybrids without experts have the one MLP that the experts would share.
    if first_number(config, ("num_local_experts",)) == 0:
        names = ("shared_intermediate_size", *names)
    found = first_number(config, names)
    # RecurrentGemma counts both halves of the gate.
    both = found is not None and getattr(config, "model_type", "") == "recurrent_gemma"
    return found // 2 if both else found  # type: ignore[operator]


def heads_of(model: Any) -> tuple[int | None, int | None]:
    """(heads, head dimension) by the model's configuration, None where it does not say."""
    config = text_config(model)
    heads = first_number(config, ("num_attention_heads", "n_head", "n_heads", "num_heads"))
    # Of the values, where they are not as wide as the keys: a head's output is made of values.
    return heads, first_number(config, ("v_head_dim", "head_dim", "kv_channels"))
