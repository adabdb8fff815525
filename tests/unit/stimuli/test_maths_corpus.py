"""Word problems: the answers are those of an oracle that knows the numbers only, and every step is true."""

import re
from collections import Counter
from fractions import Fraction

import pytest

from brodmann.stimuli.maths import COUNT, maths_problems, maths_samples, stories

# Written from the questions, not from the solutions.
ORACLES = {
    "shelves": lambda shelves, each, table, lent: shelves * each + table - lent,
    "change": lambda a, pa, b, pb, note: note - (a * pa + b * pb),
    "journey": lambda h1, v1, h2, v2: h1 * v1 + h2 * v2,
    "fence": lambda length, width, gate, panel: Fraction(2 * length + 2 * width - gate, panel),
    "ages": lambda young, times, years: young * (1 + times) + 2 * years,
    "recipe": lambda people, grams, times, guests, have: guests * grams - have,
    "tank": lambda inflow, leak, minutes, start, full: Fraction(full - start, inflow - leak),
    "wages": lambda hours, pay, extra, more, clothes: (
        (hours + extra) * pay + extra * more - clothes
    ),
    "sharing": lambda children, each, eaten, rest, picked: (picked - eaten) % children,
    "discount": lambda price, percent, pieces: pieces * price * Fraction(100 - percent, 100),
    "orchard": lambda rows, trees, young, kilos, crate: Fraction(
        (rows * trees - young) * kilos, crate
    ),
    "average": lambda goal, a, b, c: 4 * goal - a - b - c,
    "animals": lambda birds, beasts, heads, legs: Fraction(legs, 2) - heads,
    "meeting": lambda v1, v2, hours, distance: Fraction(distance * v2, v1 + v2),
    "doubling": lambda start, weeks, removed: start * 2**weeks - removed,
    "floor": lambda length, width, per, broken: length * width * per + broken,
    "fraction": lambda total, first, second: (
        total * (1 - Fraction(1, first)) * (1 - Fraction(1, second))
    ),
    "machines": lambda few, h1, rate, many, h2, made: Fraction(made * many * h2, few * h1),
    "stairs": lambda steps, daily, days: steps * 2 * daily * days,
    "league": lambda wins, draws, lost, played, points: Fraction(points - (played - lost), 2),
}
# Never told in the question: they would give the answer away, or follow from what is told.
UNTOLD = {
    "tank": {"minutes"},
    "recipe": {"times", "grams"},
    "sharing": {"each", "rest"},
    "ages": {"times"},
    "animals": {"birds", "beasts"},
    "meeting": {"hours"},
    "fraction": {"first", "second"},
    "machines": {"rate"},
    "league": {"wins", "draws"},
}
STEP = re.compile(r"(\d+(?: [-+*/] \d+)+) = (\d+)")


@pytest.mark.parametrize("seed", range(10))
def test_answers_and_steps_are_true(seed):
    problems = maths_problems(seed)
    for problem in problems:
        expected = ORACLES[problem.story](**problem.numbers)
        assert problem.answer == expected and problem.answer > 0, problem
        steps = STEP.findall(problem.solution)
        assert len(steps) == problem.solution.count("=") >= 2 - (problem.story == "sharing")
        for left, right in steps:
            assert re.fullmatch(r"[\d +*/-]+", left)
            exact = re.sub(r"\d+", lambda number: f"Fraction({number[0]})", left)
            assert eval(exact, {"Fraction": Fraction}) == int(right), problem
        assert problem.text.endswith(f" The answer is {problem.answer}.")


@pytest.mark.parametrize("seed", range(10))
def test_samples_are_different_and_of_one_size(seed):
    samples = maths_samples(seed)
    assert len(set(samples)) == len(samples) == COUNT >= 220
    for sample in samples:
        assert 50 <= len(sample.split()) <= 110, sample
        assert sample.isascii() and re.match(r"[A-Z]", sample)
        assert "?\nSolution: " in sample and not re.search(r"  | [,.?]|\bNone\b|[{}]", sample)
        assert not re.search(r"\b1 (?!hour\b|one\b)[a-z]+s\b", sample), sample


def test_the_question_tells_what_is_needed():
    for problem in maths_problems(0):
        told = set(map(int, re.findall(r"\d+", problem.question)))
        needed = problem.numbers.keys() - UNTOLD.get(problem.story, set())
        assert {problem.numbers[name] for name in needed} <= told, problem


def test_every_story_is_told_equally_often():
    assert len(stories()) >= 15 and stories().keys() == ORACLES.keys()
    counts = Counter(problem.story for problem in maths_problems(3, 10 * len(stories())))
    assert set(counts.values()) == {10} and len(counts) == len(stories())


def test_seeds():
    assert maths_samples(1) == maths_samples(1) != maths_samples(2)
    assert len(set(maths_samples(1)) & set(maths_samples(2))) < 20
    assert maths_samples(1, 30) == maths_samples(1)[:30]
    # The same for good: a change here changes everyone's corpus.
    assert maths_samples(0, 1)[0].startswith(FIRST)


FIRST = "In a small factory, 5 machines"
