"""Hard against easy: what makes the multiple-demand network work, whatever the material is.

Two contrasts from seeded dice. ``arithmetic`` has the published sizes: sums and differences of numbers
from 100 to 199, or from 1 to 19. ``span`` has letters to give back in reverse order, eight or two of them.
In both, the right answer follows. Hard problems are longer texts, in ``span`` much longer: take the mean over
tokens, not their sum.
"""

from __future__ import annotations

from collections.abc import Callable

from brodmann.tasks.dice import Dice

COUNT = 100
_HARD, _EASY = (100, 199), (1, 19)
_HARD_SPAN, _EASY_SPAN = 8, 2
_CONSONANTS = "bcdfghjklmnpqrstvwxz"  # no vowels, so that no words come about

Draw = Callable[[Dice, int], str]


def arithmetic(low: int, high: int) -> Draw:
    """Sums and differences in turn, of two different numbers; no result is negative."""

    def draw(dice: Dice, number: int) -> str:
        first = second = dice.between(low, high)
        while second == first:
            second = dice.between(low, high)
        if number % 2:
            first, second = max(first, second), min(first, second)
            return _text(f"Solve {first} - {second}.", str(first - second))
        return _text(f"Solve {first} + {second}.", str(first + second))

    return draw


def span(length: int) -> Draw:
    """Different letters, to be given back in reverse order."""

    def draw(dice: Dice, number: int) -> str:
        letters = dice.shuffled(_CONSONANTS)[:length]
        asked = f"Repeat these letters in reverse order: {' '.join(letters)}."
        return _text(asked, " ".join(reversed(letters)))

    return draw


# Name of the contrast -> its hard and its easy problems.
DEMANDS: dict[str, tuple[Draw, Draw]] = {
    "arithmetic": (arithmetic(*_HARD), arithmetic(*_EASY)),
    "span": (span(_HARD_SPAN), span(_EASY_SPAN)),
}


def demand_texts(
    demand: str, seed: int, count: int = COUNT
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``count`` different hard and as many easy texts; ``demand`` is one of ``DEMANDS``."""
    hard, easy = (
        _different(draw, Dice("demand", demand, level, seed), count)
        for level, draw in zip(("hard", "easy"), DEMANDS[demand], strict=True)
    )
    return hard, easy


def _different(draw: Draw, dice: Dice, count: int) -> tuple[str, ...]:
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[draw(dice, len(texts))] = None
    return tuple(texts)


def _text(question: str, answer: str) -> str:
    return f"Question: {question}\nAnswer: {answer}"
