"""Log-probabilities of token sequences: rows of all lengths in one prefix tree.

What rows begin with is run once for all of them, and the LM head is applied only at the positions that are
scored. A row's numbers do not depend on what else is in its tree, but for rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from brodmann.runner.encode import Ids
from brodmann.runner.engine import Engine
from brodmann.runner.queries import Query as TreeQuery
from brodmann.runner.queries import Scores
from brodmann.runner.trees import Tree

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel


@dataclass(frozen=True)
class Query:
    """Asks for lp(target | context): the sum of the log-probabilities of the target's tokens."""

    context: Ids
    target: Ids

    @property
    def row(self) -> Ids:
        """The tokens the model must see: all but the last, which is only predicted."""
        return self.context + self.target[:-1]


class Asked:
    """Which next tokens are scored for which number: collects (node, token) pairs, and sums what is found."""

    def __init__(self) -> None:
        self.nodes: list[int] = []
        self.tokens: list[int] = []
        self.numbers: list[int] = []

    def add(self, number: int, path: Sequence[int], target: Ids) -> None:
        """The tokens of ``target``, of which the last is predicted by the last node of ``path``."""
        self.nodes.extend(path[len(path) - len(target) :])
        self.tokens.extend(target)
        self.numbers.extend([number] * len(target))

    @property
    def scores(self) -> Scores:
        """For a query on the tree."""
        return Scores(self.nodes, self.tokens)

    def sums(self, values: np.ndarray, count: int) -> np.ndarray:
        """float64 [count]: of each number's scores; in float64, as long answers must not lose digits."""
        return np.bincount(self.numbers, weights=values, minlength=count)


class Scorer:
    """Runs queries through a model and counts its forward passes."""

    def __init__(
        self, model: LoadedModel, batch_tokens: int | None = None, engine: Engine | None = None
    ) -> None:
        self.engine = engine or Engine(model, batch_tokens)

    @property
    def forward_passes(self) -> int:
        """So far, of the engine."""
        return self.engine.forward_passes

    def log_probabilities(
        self, queries: Sequence[Query], on_batch: Callable[[int], object] | None = None
    ) -> list[float]:
        """lp(target | context) per query, in order; equal rows run once.

        ``on_batch`` is called with the number of queries answered by each run.
        """
        waiting: dict[Ids, list[int]] = defaultdict(list)
        for number, query in enumerate(queries):
            waiting[query.row].append(number)

        def scored(row: Ids) -> int:
            return max(len(queries[number].target) for number in waiting[row])

        def run(tree: Tree, held: list[tuple[Ids, list[int]]]) -> tuple[list[int], np.ndarray]:
            asked, numbers = Asked(), [n for row, _ in held for n in waiting[row]]
            places = iter(range(len(numbers)))
            for row, path in held:
                for number in waiting[row]:
                    asked.add(next(places), path, queries[number].target)
            found = self.engine.run(TreeQuery(tree, scores=asked.scores)).scores.numpy()
            sums = asked.sums(found, len(numbers))
            if len(held) > 1 and not np.isfinite(sums).all():
                # Keys that are not finite reach all rows of a tree: whose they are, each row tells alone.
                trees = [(Tree(), row) for row, _ in held]
                alone = [run(own, [(row, own.add(row))]) for own, row in trees]
                sums = np.concatenate([values for _, values in alone])
            return numbers, sums

        answers = np.full(len(queries), np.nan)
        rows = list(waiting)
        ordered = [rows[place] for place in self.engine.in_order(rows)]
        for numbers, sums in self.engine.each(ordered, Tree.add, run, scored=scored):
            answers[numbers] = sums
            if on_batch is not None:
                on_batch(len(numbers))
        return [float(answer) for answer in answers]
