"""``results/{model}/model.json``: what a model is, found once by loading it. Light to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brodmann.files import read_record, write_json


@dataclass(frozen=True)
class ModelCard:
    """A model's identity and shape."""

    name: str
    source: str
    resolved_source: str
    revision: str | None
    untrained: bool
    trust_remote_code: bool
    weights_hash: str
    tokenizer_hash: str
    dtype: str
    n_parameters: int
    n_layers: int
    hidden_size: int
    neurons_per_layer: int
    heads_per_layer: int
    head_dim: int
    vocabulary_size: int
    has_chat_template: bool
    format: str  # the wording that `format: auto` or the config's own choice comes to
    architecture: dict[str, Any]
    self_check: dict[str, Any]

    def write(self, path: str | Path, metadata: dict[str, Any]) -> None:
        """Write the card, with what measured it as ``metadata``."""
        write_json(path, {**asdict(self), "metadata": metadata})

    @classmethod
    def read(cls, path: str | Path) -> ModelCard:
        """Read what ``write`` wrote."""
        return read_record(path, cls)

    def identity(self) -> dict[str, Any]:
        """What makes two runs of a model the same model: part of every store key."""
        return {
            "weights": self.weights_hash,
            "tokenizer": self.tokenizer_hash,
            "dtype": self.dtype,
            # The weights hash covers code that comes with a checkpoint; this says whether it ran.
            "remote_code": self.trust_remote_code,
        }
