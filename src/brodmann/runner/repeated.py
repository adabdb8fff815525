"""Rows of tokens that are run again and again, each time by a model that is edited otherwise.

What does not change is made once: prefix trees, with their masks, and what the blocks below an edit put out.
Edits that come in the order of their lowest layers spare most: each goes on from what is known below it, and
no block of the intact model is run twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brodmann.errors import UserError
from brodmann.runner.encode import Ids
from brodmann.runner.engine import Engine
from brodmann.runner.footprint import MOST_KEPT
from brodmann.runner.queries import FEATURES, Answer, Read, Start
from brodmann.runner.queries import Query as TreeQuery
from brodmann.runner.scoring import Asked, Query
from brodmann.runner.trees import Tree

# Rows with the nodes of their tokens.
Held = list[tuple[int, list[int]]]


@dataclass
class _Standing:
    """A tree that stays. ``rows``: their numbers, with their nodes. ``start``: what blocks below some layer
    of the intact model put out."""

    tree: Tree
    rows: Held
    start: Start | None = None

    @property
    def size(self) -> int:
        """Bytes of block outputs that are kept."""
        return 0 if self.start is None else self.start.hidden.nbytes


class Repeated:
    """Runs the same rows whenever it is asked."""

    def __init__(
        self, engine: Engine, rows: Sequence[Ids], scored: Callable[[int], int] = lambda _: 0
    ) -> None:
        """To be made while the model is not edited. ``scored``: how many tokens of a row, by its number, are
        scored."""
        self.engine, self.rows, self.scored = engine, rows, scored
        self._skips = engine.skips  # asked here, where the model is not edited yet
        self._standing = self._planted(engine.in_order(rows))

    def _planted(self, numbers: Sequence[int]) -> list[_Standing]:
        """Trees with these rows; nothing is run."""
        return list(
            self.engine.each(
                numbers,
                lambda tree, number: tree.add(self.rows[number]),
                _Standing,
                scored=self.scored,
            )
        )

    def answers(
        self, ask: Callable[[Tree, Held], TreeQuery], floor: int = 0
    ) -> Iterator[tuple[Held, Answer]]:
        """What the model, as it is now, answers to ``ask`` of tree after tree.

        ``floor``: below this layer the model is intact.
        """
        waiting, done = deque(self._standing), []
        while waiting:
            one = waiting.popleft()

            def run(tree: Tree, held: Held, one: _Standing = one) -> Answer:
                query = replace(ask(tree, held), start=self._start(one, floor), again=True)
                return self.engine.run(query)

            found = self.engine.attempt(one.tree, one.rows, run)
            if found is None:  # out of memory: smaller trees now
                waiting.extendleft(reversed(self._planted([number for number, _ in one.rows])))
                continue
            done.append(one)
            yield one.rows, found[0]
        self._standing = done

    def _start(self, one: _Standing, floor: int) -> Start | None:
        """What the blocks below ``floor`` put out; None where they are to be run, too."""
        if floor <= 0 or not self._skips:
            one.start = None
            return None
        if one.start is None or one.start.layer != floor:
            below = one.start if one.start is not None and one.start.layer < floor else None
            others = sum(other.size for other in self._standing if other is not one)
            model = self.engine.model
            if others + len(one.tree) * model.hidden_size * model.dtype.itemsize > MOST_KEPT:
                one.start = None
                return None
            read = Read("block_output", [floor - 1], range(len(one.tree)))
            answer = self.engine.run(TreeQuery(one.tree, reads=[read], start=below, again=True))
            one.start = Start(floor, answer.reads[0][floor - 1])
        return one.start


class Scored:
    """Log-probabilities of the same queries, as often as they are asked for."""

    def __init__(self, engine: Engine, queries: Sequence[Query]) -> None:
        rows = list(dict.fromkeys(query.row for query in queries))
        number_of = {row: number for number, row in enumerate(rows)}
        self.queries = queries
        self._asking: list[list[int]] = [[] for _ in rows]
        for number, query in enumerate(queries):
            self._asking[number_of[query.row]].append(number)
        self._repeated = Repeated(engine, rows, self._most_scored)

    def _most_scored(self, row: int) -> int:
        return max(len(self.queries[number].target) for number in self._asking[row])

    def log_probabilities(self, floor: int = 0) -> list[float]:
        """lp(target | context) per query, of the model as it is now; it is intact below layer ``floor``."""
        found = np.full(len(self.queries), np.nan)
        asked = Asked()

        def ask(tree: Tree, held: Held) -> TreeQuery:
            nonlocal asked
            asked = Asked()
            for row, path in held:
                for number in self._asking[row]:
                    asked.add(number, path, self.queries[number].target)
            return TreeQuery(tree, scores=asked.scores)

        for _, answer in self._repeated.answers(ask, floor):
            sums = asked.sums(answer.scores.numpy(), len(found))
            found[asked.numbers] = sums[asked.numbers]
        return [float(value) for value in found]


class Features:
    """What enters the model's final norm at the last token of the same rows, as often as it is asked for."""

    def __init__(self, engine: Engine, rows: Sequence[Ids]) -> None:
        self._repeated = Repeated(engine, rows)

    def last(self, floor: int = 0) -> np.ndarray:
        """float32 [rows, hidden], of the model as it is now; it is intact below layer ``floor``."""
        repeated = self._repeated
        model = repeated.engine.model
        found = np.zeros((len(repeated.rows), model.hidden_size), dtype=np.float32)

        def ask(tree: Tree, held: Held) -> TreeQuery:
            read = Read(FEATURES, [model.n_layers], [path[-1] for _, path in held])
            return TreeQuery(tree, reads=[read])

        for held, answer in repeated.answers(ask, floor):
            values = answer.reads[0][model.n_layers].float().cpu().numpy()
            found[[number for number, _ in held]] = values
        if not np.isfinite(found).all():
            raise UserError.at(
                "features",
                f"{model.name} gives some that are not finite",
                "lower networks.editing.amounts, or try dtype: float32",
            )
        return found
