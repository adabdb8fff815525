"""Cards of models (``model.json``) as the self-check would write them, with what a test is about."""

from __future__ import annotations

from typing import Any

from brodmann.models.card import ModelCard


def card(name: str = "tiny", **own: Any) -> ModelCard:
    """A card; ``own``: what it says beyond a model that has one of everything."""
    texts = ("source", "resolved_source", "tokenizer_hash", "dtype")
    ones = ("n_parameters", "n_layers", "hidden_size", "neurons_per_layer", "heads_per_layer")
    usual: dict[str, Any] = {
        **dict.fromkeys(texts, ""),
        **dict.fromkeys((*ones, "head_dim", "vocabulary_size"), 1),
        **dict.fromkeys(("untrained", "trust_remote_code", "has_chat_template"), False),
        **{"weights_hash": "0" * 64, "revision": None, "format": "completion"},
        **{"architecture": {}, "self_check": {}},
    }
    return ModelCard(**{**usual, "name": name, **own})


def card_of(model: Any, name: str = "tiny") -> ModelCard:
    """What the check would say of the units of a loaded model."""
    return card(
        name,
        n_layers=model.n_layers,
        hidden_size=model.hidden_size,
        neurons_per_layer=model.neurons_per_layer,
        heads_per_layer=model.heads_per_layer,
        head_dim=model.head_dim,
        experts=None if model.experts is None else model.experts.facts(),
        absent={site: list(layers) for site, layers in model.absent.items()} or None,
    )
