"""What an edited model is asked: running text, and the items of tasks; all at once, for every edit anew.

A *measure* has its queries, and makes a record of their log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from brodmann.errors import UserError
from brodmann.runner.answers import queries_of
from brodmann.runner.encode import EncodedItem
from brodmann.runner.perplexity import Passages, passage_queries
from brodmann.runner.repeated import Scored
from brodmann.runner.scoring import Query

if TYPE_CHECKING:
    from brodmann.runner.bench import Bench


class Measure(Protocol):
    """``name``: of its queries, in errors, before their numbers."""

    name: str
    queries: list[Query]

    def record(self, values: Sequence[float]) -> Mapping[str, Any]:
        """What is kept of the queries' log-probabilities."""


class CorpusMeasure:
    """Every token but the first of each passage, given all tokens before it."""

    def __init__(self, tokenizer: Any, passages: Sequence[str]) -> None:
        self.name = "the corpus, passage"
        self.passages = passages
        self.queries = passage_queries(tokenizer, passages)

    def record(self, values: Sequence[float]) -> Mapping[str, Any]:
        """Per passage."""
        return asdict(Passages.of(self.passages, self.queries, values))


class TaskMeasure:
    """Answers of a task's items.

    Dual: both answers after the prompt; with ``both_prompts`` after the corrupted prompt, too. Single: the
    answer's two prompts, read as a whole, which must be equally long; else the item cannot be asked.
    """

    def __init__(
        self,
        task: str,
        items: Sequence[EncodedItem],
        both_prompts: bool,
        record: Callable[[list[list[float] | None]], Mapping[str, Any]],
    ) -> None:
        """``record``: what is kept of each item's log-probabilities, None of one that cannot be asked."""
        self.name = f"{task}, answer"
        self._record = record
        self._each = [_asked_of(item, both_prompts) for item in items]
        self.queries = [query for own in self._each for query in own]

    def record(self, values: Sequence[float]) -> Mapping[str, Any]:
        """Item by item."""
        left = iter(values)
        return self._record([[next(left) for _ in own] if own else None for own in self._each])


def _asked_of(item: EncodedItem, both_prompts: bool) -> list[Query]:
    if item.incorrect is None:
        return queries_of(item)[2:] if item.aligned else []
    return queries_of(item)[: 4 if both_prompts else 2]


class Questions:
    """Some measures, asked together: their rows lie in the same trees."""

    def __init__(self, bench: Bench, measures: Mapping[str, Measure]) -> None:
        """To be made while the model is not edited."""
        self.bench, self.measures = bench, measures
        self._queries = [query for measure in measures.values() for query in measure.queries]
        self._scored = Scored(bench.engine, self._queries)

    def records(self, floor: int, what: str, fix: str) -> dict[str, Mapping[str, Any]]:
        """Each measure's record, of the model as it is now, which is intact below layer ``floor``.

        ``what`` and ``fix``: what is said of a log-probability that is none.
        """
        values = self._finite(self._scored.log_probabilities(floor), what, fix)
        found, start = {}, 0
        for name, measure in self.measures.items():
            found[name] = measure.record(values[start : start + len(measure.queries)])
            start += len(measure.queries)
        return found

    def _finite(self, values: list[float], what: str, fix: str) -> list[float]:
        """Refuse a value that is none.

        In a tree it spreads to all other rows: keys that are not seen have a weight of 0, and 0 times it is
        none, either. So each is asked for alone.
        """
        for number in np.flatnonzero(~np.isfinite(values)).tolist():
            [values[number]] = self.bench.scorer.log_probabilities([self._queries[number]])
            if not np.isfinite(values[number]):
                raise UserError.at(self._place(number), f"{what} {values[number]}", fix)
        return values

    def _place(self, number: int) -> str:
        """Where a query stands."""
        for measure in self.measures.values():
            if number < len(measure.queries):
                return f"{measure.name} {number + 1}"
            number -= len(measure.queries)
        raise IndexError(number)
