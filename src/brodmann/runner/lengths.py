"""How many tokens texts and items have, and how many nodes prefix trees of many of them. Light: no tokenizer.

Without one, tokens are guessed: words with the blank before them, digits one by one, marks and line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from brodmann.runner.encode import EncodedItem, Ids, common_prefix
from brodmann.tasks.items import begin_alike

# Long words are spelt in parts.
_PIECE = re.compile(r" ?[^\W\d_]{1,9}|\d| ?[^\w\s]{1,2}|_|\n+|[^\S\n]+")


def guessed(text: str) -> Ids:
    """A text's tokens, about as many as a usual tokenizer makes: equal pieces are equal numbers."""
    return tuple(map(hash, _PIECE.findall(text)))


def nodes(rows: Iterable[Ids]) -> int:
    """Of the prefix tree of some rows: what they begin with counts once."""
    ordered = sorted(rows)
    shared = sum(begin_alike(pair) for pair in pairwise(ordered))
    return sum(map(len, ordered)) - shared


@dataclass(frozen=True)
class Lengths:
    """Mean nodes of an item of a task, in prefix trees that hold many of its items.

    ``header``: tokens that all prompts begin with; they are run once for many items, and are in no other
    number but ``whole``. ``read``: both prompts; ``one``: the clean one; ``rest``: one prompt from where the
    two differ; ``tail``: all answers after a prompt, but for their last tokens, which are only predicted;
    ``last``: what is run of a prompt for an answer that is differentiated. ``whole``: tokens of a prompt.
    ``single``: both prompts have one answer, and are scored as texts.
    """

    header: float
    read: float
    one: float
    rest: float
    tail: float
    whole: float
    last: float = 1.0
    single: bool = False

    @classmethod
    def of(cls, items: Sequence[EncodedItem]) -> Lengths:
        """Of some items: the more, the better is known what they share."""
        header = begin_alike([p for item in items for p in (item.clean, item.corrupted)])
        half, count = len(items) // 2, len(items)

        def added(rows_of: Callable[[EncodedItem], list[Ids]]) -> float:
            """Nodes that an item adds to a tree which holds others."""
            rows = [rows_of(item) for item in items]
            before = nodes([row for own in rows[:half] for row in own]) if half else header
            every = nodes([row for own in rows for row in own])
            return (every - before) / (count - half)

        def mean(values: Iterable[float]) -> float:
            return sum(values) / count

        answers = [[a for a in (i.correct, i.incorrect) if a is not None] for i in items]
        return cls(
            header=header,
            read=added(lambda item: [item.clean, item.corrupted]),
            one=added(lambda item: [item.clean]),
            rest=mean(len(i.clean) - common_prefix((i.clean, i.corrupted)) for i in items),
            tail=mean(nodes([answer[:-1] for answer in own]) for own in answers),
            whole=mean(len(item.clean) for item in items),
            single=any(item.incorrect is None for item in items),
        )

    @property
    def alone(self) -> Lengths:
        """Where nothing can be gone on from: every row is run whole, one for each answer that goes on."""
        whole = self._rows * self.whole
        return replace(self, header=0.0, read=2 * whole, one=whole, rest=whole, last=whole)

    def by_states(self, nodes: int) -> Lengths:
        """Where the states that rows come to can be gone on from, but not by gradients.

        Rows of a tree are run whole; where a tree goes on from another, only what they go on with is, and
        once for every batch of ``nodes`` what they begin with.
        """
        at_once = max(1, nodes // max(1, int(self.whole + self.tail)))
        before = self.whole - self.rest
        return replace(self.alone, rest=self._rows * (self.rest + before / at_once))

    @property
    def _rows(self) -> int:
        """Of a prompt, one for each answer that is of several tokens."""
        return 2 if self.tail > 0 and not self.single else 1

    def asked(self, both: bool = False) -> float:
        """Nodes that an item is asked with: a prompt, or ``both``, and its answers; or two texts."""
        return self.read + 2 * self.tail if both or self.single else self.one + self.tail

    def scored(self, both: bool = False) -> float:
        """Those that are scored: a prompt's last one and the answers after it, or all of a text."""
        return self.asked() if self.single else (1 + both) * (1 + self.tail)

    @property
    def changed(self) -> float:
        """Nodes that are run of an item under each lesion that begins where the prompts differ."""
        return (2 if self.single else 1) * (self.rest + self.tail)


# Of a task that is not at hand: a usual prompt, template included.
PROMPT = 64
USUAL = Lengths(0.0, 2.0 * PROMPT, float(PROMPT), float(PROMPT), 0.0, float(PROMPT))
