"""Maths word problems with worked solutions, from seeded dice: the corpus ``corpus:maths``."""

from __future__ import annotations

from brodmann.stimuli import maths_household, maths_world  # noqa: F401 - they register their stories
from brodmann.stimuli.maths_problem import STORIES, Problem
from brodmann.tasks.dice import Dice

COUNT = 240


def maths_problems(seed: int, count: int = COUNT) -> tuple[Problem, ...]:
    """``count`` different problems; every story is told once before any is told again."""
    dice = Dice("maths", seed)
    names = list(STORIES)
    order: list[str] = []
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        order = order or dice.shuffled(names)
        name = order[-1]
        problem = Problem(name, *STORIES[name](dice))
        if problem.text not in problems:
            problems[problem.text] = problem
            order.pop()
    return tuple(problems.values())


def maths_samples(seed: int, count: int = COUNT) -> tuple[str, ...]:
    """The texts of ``maths_problems``: a question, and in a second line its solution."""
    return tuple(problem.text for problem in maths_problems(seed, count))
