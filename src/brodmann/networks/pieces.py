"""The pieces of a text that tokens stand for: to be shown, and to be lined up with another tokenizer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brodmann.runner.encode import Ids

# What decoders put for bytes that are not a whole character yet.
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Piece:
    """Some text, and how many tokens it took; more than one where a character is spread over tokens."""

    text: str
    tokens: int = 1
    special: bool = False


def pieces(tokenizer: Any, ids: Ids) -> list[Piece]:
    """The text of each token, in order; tokens that only make a character together are one piece."""
    special = set(tokenizer.all_special_ids)
    found: list[Piece] = []
    start = 0
    while start < len(ids):
        if ids[start] in special:
            found.append(Piece(str(tokenizer.convert_ids_to_tokens([ids[start]])[0]), 1, True))
            start += 1
            continue
        end = start
        while end < len(ids) and ids[end] not in special:
            end += 1
        found += _plain(tokenizer, ids[start:end])
        start = end
    return found


def _plain(tokenizer: Any, ids: Ids) -> list[Piece]:
    """Decoded from the start of the run up to each token: what the text grows by is the token's."""
    found, done, first = [], "", 0
    for count in range(1, len(ids) + 1):
        text = tokenizer.decode(list(ids[:count]), clean_up_tokenization_spaces=False)
        if text.endswith(_UNFINISHED) and count < len(ids):
            continue
        if text.startswith(done):
            grown = text[len(done) :]
        else:  # a decoder that changes what it has said
            grown = "".join(map(str, tokenizer.convert_ids_to_tokens(list(ids[first:count]))))
        found.append(Piece(grown, count - first))
        done, first = text, count
    return found


def ends(tokenizer: Any, text: str, ids: Ids) -> list[int]:
    """Where in ``text`` each token ends, in characters; 0 for special tokens, which stand for none of it.

    Bytes of one character end where the character does.
    """
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(text, return_offsets_mapping=True)
        if tuple(encoded["input_ids"][: len(ids)]) == tuple(ids):
            special = set(tokenizer.all_special_ids)
            rising = _rising([end for _, end in encoded["offset_mapping"][: len(ids)]])
            return [0 if one in special else end for one, end in zip(ids, rising, strict=True)]
    found, at = [], 0
    for piece in pieces(tokenizer, ids):
        if not piece.special:
            # Decoders may add or drop spaces; the rest is looked for where it should be.
            body = piece.text.strip()
            place = text.find(body, at) if body else at
            at = place + len(body) if place >= 0 else min(len(text), at + len(piece.text))
        found += [0 if piece.special else at] * piece.tokens
    return found


def _rising(values: Sequence[int]) -> list[int]:
    """Tokens with no place of their own end where the token before them does."""
    found, highest = [], 0
    for value in values:
        highest = max(highest, value)
        found.append(highest)
    return found


def segments(one: Sequence[int], other: Sequence[int]) -> tuple[list[int], list[int], int]:
    """Number of the segment of each token of two tokenizations, and how many there are; -1 without text.

    Segments are cut where tokens of both end.
    """
    cuts = sorted((set(one) & set(other)) - {0})
    places = []
    for own in (one, other):
        numbers, at = [], 0
        for end in own:
            while at < len(cuts) and end > cuts[at]:
                at += 1
            numbers.append(at if end > 0 and at < len(cuts) else -1)
        places.append(numbers)
    return places[0], places[1], len(cuts)
