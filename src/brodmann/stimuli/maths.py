"""Maths word problems with worked solutions, from seeded dice: the corpus ``corpus:maths``.

The stories are in ``maths.yaml``, which says how one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from yaml import safe_load

from brodmann.tasks.dice import Dice

COUNT = 240
_NAMES = (
    "Aiko Amara Anders Bilal Carmen Chidi Dalia Dmitri Elif Emeka Farah Freya Goran Hana Hugo Ines Ivan "
    "Jamila Jonas Kamala Kofi Leila Liam Lucia Mateo Mei Nadia Nia Noor Olga Omar Paulo Priya Quang "
    "Ravi Rosa Samir Sanna Tariq Thandi Tomas Uma Viktor Wanja Yara Yusuf Zofia Zuri"
)
_WORDS = Environment(undefined=StrictUndefined, autoescape=False)


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
        self._let = {key: _drawing(value) for key, value in written["let"].items()}
        self._answer = _drawing(written["answer"])
        self._question, self._solution = map(
            _WORDS.from_string, (written["question"], written["solution"])
        )

    def told(self, dice: Dice) -> Problem:
        """The story with numbers of these dice."""
        known = {
            "names": _NAMES.split(),
            "between": dice.between,
            "choice": dice.choice,
            "shuffled": dice.shuffled,
        }
        for name, drawing in self._let.items():
            known[name] = drawing(known)
        numbers = {name: known[name] for name in self.numbers}
        texts = (one.render(known) for one in (self._question, self._solution))
        return Problem(self.name, numbers, *texts, self._answer(known))


def _drawing(written: Any) -> Callable[[Mapping[str, Any]], Any]:
    """What an entry of ``let`` becomes, given what stands above it."""
    if isinstance(written, list):
        return lambda known: known["choice"](written)
    return _WORDS.compile_expression(str(written), undefined_to_none=False)


@cache
def stories() -> dict[str, Story]:
    """All of them by name, as they are written."""
    written = safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return {name: Story(name, one) for name, one in written.items()}


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
