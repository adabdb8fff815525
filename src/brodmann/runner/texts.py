"""Texts as token ids, and what is read of them. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brodmann.errors import UserError
from brodmann.runner.encode import Ids


def encode_texts(
    tokenizer: Any, texts: Sequence[str], *, truncate: int | None = None, where: str = "the texts"
) -> list[Ids]:
    """Token ids with the special tokens that the tokenizer adds, which count among the ``truncate`` ones."""
    options = {} if truncate is None else {"truncation": True, "max_length": truncate}
    rows = [tuple(ids) for ids in tokenizer(list(texts), **options)["input_ids"]] if texts else []
    if () in rows:
        number = rows.index(())
        raise UserError.at(where, f"text {number + 1} has no tokens: {texts[number][:40]!a}")
    return rows
