"""What a story of the maths corpus is: it draws its numbers so that every step comes out whole.

A story gives its numbers beside its text, so that a test can work out the answer by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brodmann.tasks.dice import Dice


@dataclass(frozen=True)
class Problem:
    """A question, its solution in steps, and what both were made of."""

    story: str
    numbers: dict[str, int]
    question: str
    solution: str
    answer: int

    @property
    def text(self) -> str:
        """The sample."""
        return f"{self.question}\nSolution: {self.solution} The answer is {self.answer}."


# Its numbers, question, solution and answer.
Told = tuple[dict[str, int], str, str, int]
Story = Callable[[Dice], Told]
STORIES: dict[str, Story] = {}

_NAMES = (
    "Aiko Amara Anders Bilal Carmen Chidi Dalia Dmitri Elif Emeka Farah Freya Goran Hana Hugo Ines Ivan "
    "Jamila Jonas Kamala Kofi Leila Liam Lucia Mateo Mei Nadia Nia Noor Olga Omar Paulo Priya Quang "
    "Ravi Rosa Samir Sanna Tariq Thandi Tomas Uma Viktor Wanja Yara Yusuf Zofia Zuri"
)
NAMES = tuple(_NAMES.split())


def story(draw: Story) -> Story:
    """Register a story under its name."""
    STORIES[draw.__name__] = draw
    return draw


def two_names(dice: Dice) -> tuple[str, str]:
    """Two different people."""
    first, second = dice.shuffled(NAMES)[:2]
    return first, second
