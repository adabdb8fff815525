"""How many tokens a model can read, and up to how many its rotary positions stay as they are. Light."""

from __future__ import annotations

import re
from typing import Any

from brodmann.errors import UserError
from brodmann.models.module_tree import TOWER

_POSITIONS = re.compile(r"(^|[._])(wpe|embed_positions|position_embeddings?)$")


def learned_positions(model: Any) -> int | None:
    """How many tokens a model with a table of positions can read; None where positions are computed."""
    for path, module in model.named_modules():
        size = getattr(module, "num_embeddings", None)
        # An image tower has a table of its own, for patches.
        if isinstance(size, int) and _POSITIONS.search(path) and not TOWER.search(path):
            return size - int(getattr(module, "offset", 0))
    return None


def require_positions(room: int | None, tokens: int, where: str, fix: str) -> None:
    """An error if a model of so many positions has none for the last of so many tokens."""
    if room is not None and tokens > room:
        raise UserError.at(where, f"a text of {tokens} tokens; the model reads at most {room}", fix)


def rescaled_positions(model: Any) -> int | None:
    """Up to how many tokens rotary positions are what they are; None where that does not change.

    Beyond, "dynamic" and "longrope" turn all that is read at once by other angles: a text's numbers would
    depend on what is read beside it.
    """
    for module in model.modules():
        kinds = getattr(module, "rope_type", None)
        kinds = kinds if isinstance(kinds, dict) else {None: kinds}
        for layers, kind in kinds.items():
            if isinstance(kind, str) and "dynamic" in kind:
                return int(module.original_max_seq_len)
            if kind == "longrope":
                own = module.config.rope_parameters
                return int(
                    (own if layers is None else own[layers])["original_max_position_embeddings"]
                )
    return None
