"""Results as safetensors: written at once, read with a clear word about damage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from brodmann.errors import UserError
from brodmann.files import REBUILD, atomic_path, incomplete


def write_tensors(
    path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
    """A safetensors file whose metadata are JSON texts, as the format has only texts."""
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in metadata.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(dict(tensors), metadata=texts))


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """All tensors of a file that a stage wrote."""
    try:
        return load(Path(path).read_bytes())
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise UserError.at(str(path), "is damaged", REBUILD) from None


def read_tensor(path: str | Path, name: str) -> np.ndarray:
    """One of them, which must be there."""
    try:
        return read_tensors(path)[name]
    except KeyError:
        raise incomplete(path) from None


def metadata_of(path: str | Path) -> dict[str, Any]:
    """The metadata of a file that ``write_tensors`` wrote; texts that are no JSON as they stand."""
    content = Path(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    try:
        texts: dict[str, str] = json.loads(content[8 : 8 + size])["__metadata__"]
    except (ValueError, KeyError):
        raise UserError.at(str(path), "is damaged", REBUILD) from None

    def value(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            return text

    return {name: value(text) for name, text in texts.items()}


def facts_of(record: bytes, name: str = "facts") -> Any:
    """What was noted with a packed record: an entry of its metadata, which is a JSON text."""
    size = int.from_bytes(record[:8], "little")
    return json.loads(json.loads(record[8 : 8 + size])["__metadata__"][name])
