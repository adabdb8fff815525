"""How well a model predicts running text, passage by passage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brodmann.errors import UserError
from brodmann.runner.texts import encode_texts

if TYPE_CHECKING:
    from brodmann.runner.scoring import Query


@dataclass(frozen=True)
class Passages:
    """Per passage: the sum of its tokens' log-probabilities, how many were predicted, and its words."""

    log_probs: tuple[float, ...]
    tokens: tuple[int, ...]
    words: tuple[int, ...]

    @classmethod
    def of(
        cls, passages: Sequence[str], queries: Sequence[Query], values: Sequence[float]
    ) -> Passages:
        """Of the log-probabilities of the passages' queries."""
        return cls(
            tuple(values),
            tuple(len(query.target) for query in queries),
            tuple(len(passage.split()) for passage in passages),
        )

    @property
    def perplexity(self) -> float:
        """Of a token."""
        return perplexity(sum(self.log_probs), sum(self.tokens))

    @property
    def word_perplexity(self) -> float:
        """Of a word: it can be compared between models with different vocabularies."""
        return perplexity(sum(self.log_probs), sum(self.words))


def perplexity(log_prob: float, count: int) -> float:
    """exp of the mean surprise."""
    try:
        return math.exp(-log_prob / count)
    except OverflowError:
        return math.inf


def passage_queries(tokenizer: Any, passages: Sequence[str]) -> list[Query]:
    """Every token but the first of each passage, given all tokens before it."""
    # Imported here: passages are also read where no model is.
    from brodmann.runner.scoring import Query

    rows = encode_texts(tokenizer, passages, where="the corpus")
    for number, row in enumerate(rows):
        if len(row) < 2:
            raise UserError.at("the corpus", f"passage {number + 1} has a single token")
    return [Query(row[:1], row[1:]) for row in rows]
