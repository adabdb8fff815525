"""Lesions, and what is run of an item under one: sequences of tokens, where they change, what is scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brodmann.runner.encode import EncodedItem, Ids, common_prefix

KINDS = ("corrupted", "zero", "mean")
DUAL = ("correct", "incorrect")
SINGLE = ("answer", "clean_joint", "corrupted_joint")


@dataclass(frozen=True)
class Lesion:
    """Units as flat indices (layer * width + unit), sorted; what their order was does not matter."""

    units: tuple[int, ...]
    width: int

    @classmethod
    def of(cls, units: Sequence[int] | np.ndarray, width: int) -> Lesion:
        """From flat indices [n] in any order."""
        return cls(tuple(sorted({int(unit) for unit in units})), width)

    def by_layer(self) -> dict[int, list[int]]:
        """Layer -> its units."""
        layers: dict[int, list[int]] = defaultdict(list)
        for unit in self.units:
            layers[unit // self.width].append(unit % self.width)
        return dict(layers)

    @property
    def is_intact(self) -> bool:
        """Whether it silences nothing."""
        return not self.units

    @property
    def order(self) -> tuple[int, ...]:
        """Lesions of about the same layers stand side by side in this order."""
        return self.units

    @property
    def lowest(self) -> int:
        """The lowest layer it edits."""
        return self.units[0] // self.width


@dataclass(frozen=True, eq=False)
class Kept:
    """A lesion of all units but these: bool [layers, units per layer], whether each is kept."""

    units: np.ndarray

    @property
    def is_intact(self) -> bool:
        """Whether it keeps everything."""
        return bool(self.units.all())

    @property
    def order(self) -> tuple[int, ...]:
        """See ``Lesion.order``."""
        return (self.lowest,)

    @property
    def lowest(self) -> int:
        """The lowest layer that is not kept whole."""
        return int(np.argmin(self.units.all(1)))


@dataclass(frozen=True)
class Score:
    """A log-probability: of ``token`` after the ``place``-th token of a row. It is added to a name's."""

    place: int
    token: int
    name: int  # its place in DUAL or SINGLE


@dataclass(frozen=True)
class Row:
    """A sequence that a lesion changes from its ``begin``-th token on.

    ``donor``: under ``corrupted``, the sequence whose intact run gives the activations; as long, and equal up
    to ``begin``.
    """

    ids: Ids
    donor: Ids
    begin: int
    scores: tuple[Score, ...]

    @property
    def changed(self) -> Ids:
        """The tokens that are run under every lesion."""
        return self.ids[self.begin :]


def names_of(items: Sequence[EncodedItem]) -> tuple[str, ...]:
    """What is measured of items of one task."""
    return SINGLE if items[0].incorrect is None else DUAL


def rows_of(item: EncodedItem, kind: str) -> list[Row]:
    """All rows of an item. Under ``corrupted``, lesions change nothing before the prompts differ."""
    begin = common_prefix((item.clean, item.corrupted)) if kind == "corrupted" else 0
    if item.incorrect is not None:
        return [
            Row(
                item.clean + answer[:-1],
                item.corrupted + answer[:-1],
                begin,
                _scores(item.clean + answer, len(item.clean) - 1, name),
            )
            for name, answer in enumerate((item.correct, item.incorrect))
        ]
    # Both prompts, each with the other's activations. Joints are taken of the tokens from where the prompts
    # begin to differ; all but the first token, which nothing predicts.
    first = max(0, begin - 1)
    rows = []
    for own, other, name in (
        (item.clean, item.corrupted, "clean_joint"),
        (item.corrupted, item.clean, "corrupted_joint"),
    ):
        whole = own + item.correct
        scores = _scores(whole, first, SINGLE.index(name))
        if name == "clean_joint":
            scores += _scores(whole, len(own) - 1, SINGLE.index("answer"))
        rows.append(Row(whole[:-1], (other + item.correct)[:-1], begin, scores))
    return rows


def _scores(whole: Ids, first: int, name: int) -> tuple[Score, ...]:
    """What each token from the ``first`` on says of the next."""
    return tuple(Score(n, whole[n + 1], name) for n in range(first, len(whole) - 1))
