"""Maths word problems with worked solutions, from seeded dice: the corpus ``corpus:maths``.

The stories are in ``maths.yaml``, which says how one is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from brodmann.tasks.dice import Dice
from brodmann.tasks.drawn import Drawn, read, text

COUNT = 240
_NAMES = (
    "Aiko Amara Anders Bilal Carmen Chidi Dalia Dmitri Elif Emeka Farah Freya Goran Hana Hugo Ines Ivan "
    "Jamila Jonas Kamala Kofi Leila Liam Lucia Mateo Mei Nadia Nia Noor Olga Omar Paulo Priya Quang "
    "Ravi Rosa Samir Sanna Tariq Thandi Tomas Uma Viktor Wanja Yara Yusuf Zofia Zuri"
)


@dataclass(frozen=True)
class Problem:
    """A question, its solution in steps, and what both were made of.

    The numbers stand beside the text, so that a test can work out the answer by itself.
    """

    story: str
    numbers: dict[str, int]
    question: str
    solution: str
    answer: int

    @property
    def text(self) -> str:
        """The sample."""
        return f"{self.question}\nSolution: {self.solution} The answer is {self.answer}."


class Story:
    """One story, which is told with different numbers."""

    def __init__(self, name: str, written: Mapping[str, Any]) -> None:
        self.name, self.numbers = name, written["numbers"]
        self._drawn = Drawn({**written["let"], "answer": written["answer"]})
        self._question, self._solution = text(written["question"]), text(written["solution"])

    def told(self, dice: Dice) -> Problem:
        """The story with numbers of these dice."""
        found = self._drawn.values(dice, names=_NAMES.split())
        texts = self._question.render(found), self._solution.render(found)
        return Problem(self.name, {n: found[n] for n in self.numbers}, *texts, found["answer"])


@cache
def stories() -> dict[str, Story]:
    """All of them by name, as they are written."""
    return {name: Story(name, one) for name, one in read(__file__).items()}


def maths_problems(seed: int, count: int = COUNT) -> tuple[Problem, ...]:
    """``count`` different problems; every story is told once before any is told again."""
    dice = Dice("maths", seed)
    order: list[str] = []
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        order = order or dice.shuffled(list(stories()))
        problem = stories()[order[-1]].told(dice)
        if problem.text not in problems:
            problems[problem.text] = problem
            order.pop()
    return tuple(problems.values())


def maths_samples(seed: int, count: int = COUNT) -> tuple[str, ...]:
    """The texts of ``maths_problems``: a question, and in a second line its solution."""
    return tuple(problem.text for problem in maths_problems(seed, count))
