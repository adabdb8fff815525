"""Baseline: what a model makes of each item, before anything is touched.

Dual-answer items: lp(answer | prompt) for {clean, corrupted} prompt x {correct, incorrect} answer.
Single-answer items: the answer's conditional log-probability after both prompts, and the joint
log-probability of prompt + answer (all tokens but the first), which says whether the item is right.
Items whose prompts differ in their number of tokens are not aligned and are not run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from brodmann.errors import UserError
from brodmann.runner.encode import EncodedItem
from brodmann.runner.scoring import Query, Scorer

DUAL_SCORES = ("clean_correct", "clean_incorrect", "corrupted_correct", "corrupted_incorrect")
SINGLE_SCORES = ("clean_answer", "corrupted_answer", "clean_joint", "corrupted_joint")


@dataclass(frozen=True)
class BaselineScores:
    """Per item, in item order: token counts of the prompts and log-probabilities (None = not aligned).

    ``log_probs`` has one list per score name (``DUAL_SCORES`` or ``SINGLE_SCORES``); in
    ``corrupted_correct`` the prompt is the corrupted one and the answer is the one that is right for the
    *clean* prompt.
    """

    single_answer: bool
    clean_tokens: list[int]
    corrupted_tokens: list[int]
    log_probs: dict[str, list[float | None]]


def queries_of(item: EncodedItem) -> list[Query]:
    """The queries of one item, in the order of the score names."""
    if item.incorrect is not None:
        return [
            Query(prompt, answer)
            for prompt in (item.clean, item.corrupted)
            for answer in (item.correct, item.incorrect)
        ]
    conditional = [Query(prompt, item.correct) for prompt in (item.clean, item.corrupted)]
    texts = [prompt + item.correct for prompt in (item.clean, item.corrupted)]
    return conditional + [Query(text[:1], text[1:]) for text in texts]


def score_items(
    task: str,
    items: list[EncodedItem],
    scorer: Scorer,
    on_batch: Callable[[int], object] | None = None,
) -> BaselineScores:
    """Score all aligned items of a task."""
    return score_lists([task], [items], scorer, on_batch)[0]


def score_lists(
    tasks: Sequence[str],
    lists: Sequence[list[EncodedItem]],
    scorer: Scorer,
    on_batch: Callable[[int], object] | None = None,
) -> list[BaselineScores]:
    """The same of several tasks at once."""
    places = [
        (which, number)
        for which, items in enumerate(lists)
        for number, item in enumerate(items)
        if item.aligned
    ]
    queries = [query for which, number in places for query in queries_of(lists[which][number])]
    values = iter(scorer.log_probabilities(queries, on_batch))
    rows: list[dict[int, list[float]]] = [{} for _ in lists]
    for which, number in places:
        rows[which][number] = own = [next(values) for _ in range(4)]
        for value in own:
            if not math.isfinite(value):
                raise UserError.at(
                    f"{tasks[which]}, item {number}",
                    f"the model gives a log-probability of {value}",
                    "its weights or dtype are at fault; try dtype: float32",
                )
    return [gathered(items, own) for items, own in zip(lists, rows, strict=True)]


def gathered(items: list[EncodedItem], rows: Mapping[int, Sequence[float]]) -> BaselineScores:
    """The scores of a task: ``rows`` holds those of every aligned item, in the order of ``queries_of``."""
    single = any(item.incorrect is None for item in items)
    names = SINGLE_SCORES if single else DUAL_SCORES
    columns: dict[str, list[float | None]] = {name: [None] * len(items) for name in names}
    for number, row in rows.items():
        for name, value in zip(names, row, strict=True):
            columns[name][number] = value
    return BaselineScores(
        single_answer=single,
        clean_tokens=[len(item.clean) for item in items],
        corrupted_tokens=[len(item.corrupted) for item in items],
        log_probs=columns,
    )


def count_queries(items: list[EncodedItem]) -> int:
    """How many queries ``score_items`` will run: four per aligned item."""
    return 4 * sum(item.aligned for item in items)
