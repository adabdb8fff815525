"""What two tasks share on the surface: answers, the last prompt token, prompt tokens, the format.

Circuits of two tasks may overlap because the tasks look alike rather than because they draw on the same
ability. These are the rivals that ``statistics.confounds`` sets the domain against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pandas as pd

from brodmann.tasks.items import Item

# Features that say how alike two tasks' surfaces are; columns of the pair table.
SIMILARITIES = ("answer_vocabulary", "final_token", "prompt_tokens", "same_format")

# All prompts starting with this many equal characters: solved examples or an instruction go before.
_PREAMBLE = 20
# Of the characters that are not white space: digits and signs, for prompts in symbols.
_SYMBOLS = 0.2


@dataclass(frozen=True)
class Surface:
    """One task as one model sees it, over all its clean and corrupted prompts."""

    answers: frozenset[str]
    final_tokens: Mapping[int, float]  # share of the prompts that end with the token
    tokens: frozenset[int]
    format: str


def surface(items: Sequence[Item], prompts: Sequence[Sequence[int]]) -> Surface:
    """``prompts``: token ids of all clean and corrupted prompts."""
    answers = {
        text.strip().lower() for item in items for text in (item.correct, item.incorrect) if text
    }
    last = Counter(ids[-1] for ids in prompts if len(ids))
    total = sum(last.values())
    return Surface(
        answers=frozenset(answers),
        final_tokens={token: count / total for token, count in last.items()},
        tokens=frozenset(token for ids in prompts for token in ids),
        format=surface_format(items),
    )


def surface_format(items: Sequence[Item]) -> str:
    """How the prompts are built, in words joined by ``+``; the same text is the same format.

    preamble (examples or an instruction that all prompts start with), options (both answers stand in the
    prompt), question (a question mark in the last line), lines (several of them), symbols (digits and
    signs rather than words); ``statement`` if none applies.
    """
    if not items:
        return "statement"
    prompts = [text for item in items for text in (item.clean_prompt, item.corrupted_prompt)]
    start = _shared_start(prompts)
    own = [text[start if start >= _PREAMBLE else 0 :] for text in prompts]
    dense = "".join("".join(text.split()) for text in own)
    signs = sum(not (character.isalpha() or character in ".,'") for character in dense)
    found = {
        "preamble": start >= _PREAMBLE,
        "options": _most([_offers(item) for item in items]),
        "question": _most(["?" in text.rstrip().rpartition("\n")[2] for text in own]),
        "lines": _most(["\n" in text.strip() for text in own]),
        "symbols": signs > _SYMBOLS * max(1, len(dense)),
    }
    return "+".join(name for name, holds in found.items() if holds) or "statement"


def _shared_start(texts: Sequence[str]) -> int:
    """Number of characters that all texts start with."""
    first, last = min(texts), max(texts)  # these differ soonest
    pairs = zip(first, last, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


def _offers(item: Item) -> bool:
    """Whether the prompt names both answers."""
    if item.incorrect is None:
        return False
    prompt = item.clean_prompt.lower()
    return all(answer.strip().lower() in prompt for answer in (item.correct, item.incorrect))


def _most(values: Sequence[bool]) -> bool:
    return 2 * sum(values) > len(values)


def similarity(a: Surface, b: Surface) -> dict[str, float]:
    """The four similarities of two tasks, each from 0 (nothing in common) to 1."""
    return {
        "answer_vocabulary": _jaccard(a.answers, b.answers),
        "final_token": sum(
            min(share, b.final_tokens.get(token, 0.0)) for token, share in a.final_tokens.items()
        ),
        "prompt_tokens": _jaccard(a.tokens, b.tokens),
        "same_format": float(a.format == b.format),
    }


def _jaccard(a: frozenset[Any], b: frozenset[Any]) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0


def similarity_table(surfaces: Mapping[str, Surface]) -> pd.DataFrame:
    """source, target, both formats and the similarities, for all ordered pairs of two tasks."""
    rows = [
        {
            "source": a,
            "target": b,
            "source_format": surfaces[a].format,
            "target_format": surfaces[b].format,
            **similarity(surfaces[a], surfaces[b]),
        }
        for a, b in permutations(surfaces, 2)
    ]
    columns = ["source", "target", "source_format", "target_format", *SIMILARITIES]
    return pd.DataFrame(rows, columns=columns)
