"""The tasks about numbers are true: every problem is read back from its text and computed anew.

Nothing here uses the generators' own arithmetic: expressions go through ``eval``, equations are tried with
every whole number, stories are read clause by clause, lists are sorted.
"""

import re
from collections import Counter
from fractions import Fraction
from functools import cache

import pytest

from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import DEFAULT_LEVEL, load_definition
from brodmann.tasks.dice import Dice
from brodmann.tasks.expand import expand
from brodmann.tasks.generators import generators
from brodmann.tasks.items import WORDINGS

SYMBOLIC = [f"{kind}_{n}op_symbolic" for kind in ("add_sub", "mul_div") for n in (2, 3)]
VERBAL = [f"{kind}_{n}op_verbal" for kind in ("add_sub", "mul_div") for n in (2, 3)]
OTHERS = ["simple_equation", "number_sorting", "number_sequence"]
LEVELS = (DEFAULT_LEVEL, "easy", "hard")


def load(root, name, level=DEFAULT_LEVEL):
    return load_definition(task_path(root / "data", f"formal/{name}"), level)


def problems(root, name, level=DEFAULT_LEVEL, count=300):
    """(problem without prompt parts, right answer, wrong answer) of both sides in both wordings."""
    definition = load(root, name, level)
    items = expand(f"formal/{name}", definition, seed=5, count=count)
    assert len(items) == count
    for wording in WORDINGS:
        parts = definition.prompt[wording]
        for item in items.wordings[wording]:
            for prompt, right, wrong in (
                (item.clean_prompt, item.correct, item.incorrect),
                (item.corrupted_prompt, item.incorrect, item.correct),
            ):
                text = prompt.removeprefix(parts.prefix).removesuffix(parts.suffix)
                text = text.strip().removesuffix(parts.concatenation)
                yield text, int(right), int(wrong)


def computed(expression):
    """The value of an expression, by Python, in exact fractions."""
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", expression.replace("×", "*").replace("÷", "/"))
    return eval(exact, {"Fraction": Fraction})


# -- expressions and equations --


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SYMBOLIC)
def test_expressions_are_computed_right(root, name, level):
    for text, right, wrong in problems(root, name, level):
        [expression] = re.findall(r"\d+(?: [-+×÷] \d+)+", text)
        assert re.sub(r"\d+", "", expression) != expression
        assert len(re.findall(r"\d+", expression)) == int(name[8])
        assert computed(expression) == right != wrong, text
        for end in range(2, int(name[8])):  # no step on the way is negative or broken
            step = computed(" ".join(expression.split()[: 2 * end - 1]))
            assert step >= 0 and step.denominator == 1, text


@pytest.mark.parametrize("name", SYMBOLIC)
def test_worked_examples_are_right(root, name):
    lines = load(root, name).prompt["completion"].prefix.splitlines()
    assert len(lines) >= 2
    for line in lines:
        left, right = line.split(" = ")
        assert computed(left) == int(right), line


@pytest.mark.parametrize("level", LEVELS)
def test_equations_have_this_one_solution(root, level):
    for text, right, wrong in problems(root, "simple_equation", level):
        [equation] = re.findall(r"\w+ [-+×÷] \w+ = \d+", text)
        [letter] = re.findall(r"\b[a-z]\b", equation)
        assert solutions(equation, letter) == [right] != [wrong], text
        named = set(re.findall(r"\b[b-hj-z]\b", text.replace("'s", "")))
        assert named == {letter}, text


@cache
def solutions(equation, letter):
    """All whole numbers up to 200 that solve it; no number in the tasks is above 99."""
    left, right = equation.replace("×", "*").replace("÷", "/").split(" = ")
    code = compile(left, "equation", "eval")
    return [n for n in range(1, 201) if eval(code, {letter: Fraction(n)}) == int(right)]


def test_worked_equations_are_right(root):
    for line in load(root, "simple_equation").prompt["completion"].prefix.splitlines():
        equation, letter, value = re.fullmatch(r"(.+), so (\w) = (\d+)", line).groups()
        assert solutions(equation, letter) == [int(value)]


# -- stories --

# What is said about a number N that changes the count so far; M is any other number.
CUES = {
    "+": r"N more\b|another N\b",
    "-": r"N of them\b|N got off|N went home",
    "*": r"(with|and) N [a-z ]+ ((in|on|at) )?each\b|(rows|classes|teams) of N (?!\w+ (and|each) form)[a-z]+"
    r"|each of them picks N\b|for N coins each|[Ee]ach (player|of the teams) gets N\b|each carries N\b"
    r"|In N days|learn in N days|walk in N days|in N days,? she|in N days,? he|that in N days|read in N days"
    r"|in N minutes\?|(do|for) N such\b|With the coins of N days",
    "/": r"among N\b|between N\b|(bags|boxes) of N\b(?! \w+ with)|in rows of N\b|form teams of N\b"
    r"|pieces of N meters|N equal\b|for N identical|on N boats|into N [a-z]+, the same number"
    r"|kilometers in N days|pages in N days, the same|in N minutes\.|that cost N coins|to N [a-z]+ in equal"
    r"|Then N children share",
}


def retold(text, signs):
    """The story as an expression, each operator found by what is said about the number after it."""
    numbers = list(re.finditer(r"\d+", text))
    expression = numbers[0].group()
    for place, number in enumerate(numbers[1:], start=1):
        others = [n for m, n in enumerate(numbers) if m != place]
        marked = list(text)
        for other in others:
            marked[other.start()] = "M"
            marked[other.start() + 1 : other.end()] = [""] * (other.end() - other.start() - 1)
        marked[number.start()] = "N"
        marked[number.start() + 1 : number.end()] = [""] * (number.end() - number.start() - 1)
        found = [sign for sign in signs if re.search(CUES[sign], "".join(marked))]
        assert len(found) == 1, (place, found, text)
        expression = f"({expression}) {found[0]} {number.group()}"
    return expression


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", VERBAL)
def test_stories_come_out_right(root, name, level):
    signs = "+-" if name.startswith("add") else "*/"
    for text, right, wrong in problems(root, name, level):
        story = re.sub(r"Are there now \d+ or \d+\?( There are)?$", "", text)
        expression = retold(story, signs)
        assert len(re.findall(r"\d+", expression)) == int(name[8]), text
        assert computed(expression) == right != wrong, (text, expression)
        # Nobody has less than two of anything on the way, and all shares are whole.
        while expression.startswith("("):
            value = computed(expression)
            assert value >= 2 and value.denominator == 1, (text, expression)
            expression = expression[1:].rpartition(")")[0]
        assert all(int(number) >= 2 for number in re.findall(r"\d+", story)), text


@pytest.mark.parametrize("name", VERBAL)
def test_worked_stories_are_right(root, name):
    signs = "+-" if name.startswith("add") else "*/"
    prefix = load(root, name).prompt["completion"].prefix
    separator = r"(?<=Answer: \d)\n" if "Answer:" in prefix else r"(?<=\d)\. "
    examples = [example for example in re.split(separator, prefix) if example]
    assert len(examples) == 2
    for example in examples:
        story, answer = re.fullmatch(r"(.*?)(\d+)", example).groups()
        assert computed(retold(story, signs)) == int(answer), example


@pytest.mark.parametrize("name", VERBAL)
def test_stories_are_told_in_twenty_ways_or_more(root, name):
    frames = load(root, name).frames
    assert len(frames) >= 20
    shares = Counter(frame.when["operators"] for frame in frames)
    assert max(shares.values()) - min(shares.values()) <= 2


# -- lists --

ENDS = {
    **dict.fromkeys(["smallest", "lowest", "minimum", "shortest", "youngest", "newest"], min),
    **dict.fromkeys(["largest", "highest", "maximum", "longest", "oldest"], max),
    **{"smaller": min, "larger": max},
}


def sorted_out(text, options):
    """What a question about a list asks for, by sorting the list."""
    text = re.sub(r"\b\d+ or \d+\b", "", text)
    numbers = re.search(r"\d+(?:, \d+)+(?: and \d+)?", text)
    ranked = sorted(map(int, re.findall(r"\d+", numbers.group())))
    words = text[: numbers.start()] + text[numbers.end() :]
    start = re.findall(r"\d+", words)
    falling = bool(re.search(r"descend|from large|down|next smaller", words))
    if falling:
        ranked.reverse()
    if not start:
        if re.search(r"\b(begins|first|ends|last)\b", words):
            return ranked[0 if re.search(r"\b(begins|first)\b", words) else -1]
        [end] = [pick for word, pick in ENDS.items() if re.search(rf"\b{word}\b", words)]
        return end(ranked)
    place = ranked.index(int(start[0]))
    return ranked[place - 1 if "before" in words else place + 1]


@pytest.mark.parametrize("level", LEVELS)
def test_lists_are_sorted_right(root, level):
    for text, right, wrong in problems(root, "number_sorting", level):
        assert sorted_out(text, (right, wrong)) == right != wrong, text


def test_no_place_in_a_list_is_right_more_often(root):
    """The list is the same on both sides, so each place is right as often as it is wrong."""
    places = Counter()
    first = 0
    for text, right, wrong in problems(root, "number_sorting", count=600):
        numbers = re.search(r"\d+(?:, \d+)+(?: and \d+)?", re.sub(r"\d+ or \d+", "", text))
        listed = [int(number) for number in re.findall(r"\d+", numbers.group())]
        places[listed.index(right)] += 1
        places[~listed.index(wrong)] += 1
        first += listed.index(right) < listed.index(wrong)
    total = sum(places[place] for place in range(5))
    for place in range(5):
        assert places[place] == places[~place], "right and wrong options stand in the same places"
        assert 0.15 < places[place] / total < 0.25
    assert first * 2 == total


# -- all of them --


@pytest.mark.parametrize("name", SYMBOLIC + VERBAL + OTHERS)
def test_nothing_but_one_word_or_number_differs(root, name):
    items = expand(f"formal/{name}", load(root, name), seed=5, count=300)
    for wording in WORDINGS:
        for item in items.wordings[wording]:
            sides = item.clean_prompt, item.corrupted_prompt
            clean, corrupted = (re.findall(r"\w+|[^\w\s]", side) for side in sides)
            assert len(item.correct) == len(item.incorrect) and len(clean) == len(corrupted)
            pairs = [pair for pair in zip(clean, corrupted, strict=True) if pair[0] != pair[1]]
            if name == "number_sequence":  # another step changes all terms after the first
                assert all(len(left) == len(right) for left, right in pairs)
            else:
                assert len(pairs) == 1, sides
                assert not pairs[0][0].isdigit() or len(pairs[0][0]) == len(pairs[0][1]), sides


@pytest.mark.parametrize("name", SYMBOLIC + VERBAL + ["simple_equation", "number_sorting"])
def test_every_kind_of_problem_is_frequent(root, name):
    definition = load(root, name)
    dice = Dice("kinds")
    contents = definition.generator.contents(dice, definition.arguments)
    key = {"equation": "form", "number_sorting": "ask"}.get(
        definition.generator.function.__name__, "operators"
    )
    kinds = Counter(next(contents).conditions[key] for _ in range(1000))
    assert min(kinds.values()) > 0.7 * 1000 / len(kinds)


@pytest.mark.parametrize("name", SYMBOLIC + VERBAL + OTHERS)
def test_the_levels_differ_in_difficulty(root, name):
    def size(level):
        found = [text for text, _, _ in problems(root, name, level, count=100)]
        return sum(len(re.findall(r"\d", text)) for text in found)

    assert size("easy") <= size(DEFAULT_LEVEL) < size("hard")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("arithmetic", {"operands": 5}, "operands must be 2, 3 or 4"),
        ("arithmetic", {"operators": ["^"]}, "operators must be some of"),
        ("arithmetic", {"low": 5, "highest_dividend": 2}, "highest_dividend"),
        ("arithmetic", {"lowest_result": 1000}, "nothing meets these limits"),
        ("equation", {"forms": ["x^a"]}, "forms must be some of"),
        ("equation", {"forms": []}, "forms must be some of"),
        ("equation", {"letters": []}, "letters must be"),
        ("equation", {"low": 9, "high": 9}, "0 <= low < high"),
        ("number_sorting", {"asks": ["middle"]}, "asks must be some of"),
        ("number_sorting", {"length": 3}, "length must be at least 4"),
        ("number_sorting", {"asks": ["ends"], "length": 2}, "length must be at least 3"),
        ("number_sorting", {"low": -1}, "0 <= low < high"),
        ("number_sorting", {"low": 1, "high": 3}, "nothing meets these limits"),
    ],
)
def test_a_wrong_argument_is_named(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        next(generators()[function].contents(Dice("check"), arguments))
