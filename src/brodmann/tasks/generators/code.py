"""Contents about code: short Python programs that differ in one token, and what each of them prints.

The kinds of programs are in ``code.yaml``, which says how one is written. Every answer is what running the
program prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from brodmann.tasks.dice import Dice
from brodmann.tasks.drawn import Drawn, read, text
from brodmann.tasks.generators import Content, endless, generator, require_some, require_whole

_FILE = read(__file__)
_WORDS: list[list[str]] = _FILE["words"]
_PLURALS = [[word for word in group if word not in _FILE["irregular"]] for group in _WORDS]


@dataclass(frozen=True)
class _Program:
    """Lines with ``@`` for the ``fillings`` of the two sides, and its variables' names."""

    lines: str
    fillings: tuple[object, object]
    names: dict[str, Sequence[str]]


class _Kind:
    """One kind of program."""

    def __init__(self, written: dict[str, Any]) -> None:
        self._drawn = Drawn({**written["let"], "sides": written["sides"]})
        self._program = text(written["program"])
        self._names = _FILE["variables"][written.get("variables", "numbers")]

    def draw(self, dice: Dice, size: int) -> _Program:
        """A program of this kind."""
        asking = (_numbers, _words, _two_groups, _pair, _two, _either, _equally_long)
        asked = {ask.__name__.removeprefix("_"): partial(ask, dice) for ask in asking}
        known = {"size": size, "plurals": _PLURALS, "colours": _WORDS[1]}
        known |= {"branching": _branching, "called": _called}
        found = self._drawn.values(dice, **known, **asked)
        first, second = found["sides"]
        return _Program(self._program.render(found), (first, second), self._names)


@cache
def _kind(family: str, name: str) -> _Kind:
    return _Kind(_FILE[family][name])


def _names(family: str) -> tuple[str, ...]:
    """The kinds of a generator."""
    return tuple(_FILE[family])


# What the file asks for, beside dice.


def _numbers(dice: Dice, count: int, low: int = 1, high: int = 9) -> list[int]:
    return (dice.shuffled(range(low, high + 1)) * count)[:count]


def _words(dice: Dice, count: int, groups: Sequence[Sequence[str]] = _WORDS) -> list[str]:
    return dice.shuffled(dice.choice([group for group in groups if len(group) >= count]))[:count]


def _two_groups(dice: Dice, count: int) -> list[list[str]]:
    large = [group for group in _WORDS if len(group) >= count]
    return [dice.shuffled(group)[:count] for group in dice.shuffled(large)[:2]]


def _pair(dice: Dice, low: int, high: int) -> tuple[int, int]:
    return dice.between(low, high), dice.between(low, high)


def _two(dice: Dice, options: Sequence[object]) -> list[object]:
    return dice.shuffled(options)[:2]


def _either(dice: Dice, one: object, other: object) -> tuple[object, object]:
    return (one, other) if dice.below(2) else (other, one)


def _equally_long(dice: Dice, low: int, high: int) -> tuple[int, int]:
    """Two numbers with equally many digits."""
    first = dice.between(low, high)
    same = [number for number in range(low, high + 1) if len(str(number)) == len(str(first))]
    return first, dice.choice(same)


def _branching(test: str, values: Sequence[object], words: Sequence[str]) -> str:
    """``if``, ``elif`` and ``else``: one value less than there are words to print."""
    first, *others = (test % value for value in values)
    heads = [f"if {first}:", *(f"elif {other}:" for other in others), "else:"]
    return "\n".join(
        f'{head}\n    print("{word}")' for head, word in zip(heads, words, strict=True)
    )


def _called(test: str, values: Sequence[object], words: Sequence[str]) -> str:
    """A function that returns a word for each value, and a call."""
    cases = "".join(
        f'    if {test % value}: return "{word}"\n'
        for value, word in zip(values, words, strict=True)
    )
    return f"def f(X):\n{cases}print(f(@))"


# From a kind to contents.


def _printed(code: str) -> str:
    """What a program of this module prints, its lines joined with a space."""
    lines: list[str] = []
    names = {"len": len, "sum": sum, "max": max, "min": min, "range": range}
    names["print"] = lambda value: lines.append(str(value))
    # The text is made here from fixed pieces and numbers; nothing of it comes from a file.
    exec(code, {"__builtins__": names})
    return " ".join(lines)


def _draws(dice: Dice, kinds: Sequence[str], family: str, size: int) -> Iterator[Content]:
    """Pairs of programs of these kinds that print different things, numbers equally many digits."""
    require_some("kinds", kinds, _names(family))

    def draw() -> Content | None:
        kind = dice.choice(kinds)
        program = _kind(family, kind).draw(dice, size)
        if program.fillings[0] == program.fillings[1]:
            return None
        plain = [program.lines.replace("@", str(filling)) for filling in program.fillings]
        first, second = (_printed(code) for code in plain)
        if first == second or (first.isdigit() and len(first) != len(second)):
            return None
        if not first.lstrip("-").isdigit() and second.lstrip("-").isdigit():
            return None
        if "-" in first + second or not first or not second:
            return None
        names = {letter: dice.choice(options) for letter, options in program.names.items()}
        return Content(
            *(_content(code, names) for code in plain),
            answers=(first, second),
            unit=" | ".join(sorted(plain)),
            conditions={"kind": kind},
        )

    yield from endless(draw)


def _content(code: str, names: dict[str, str]) -> dict[str, str]:
    """The slots: the program, and its lines and value if it ends with printing a value."""
    code = re.sub(r"\b[XYI]\b", lambda match: names[match.group()], code)
    before, _, value = code.rpartition("\nprint(")
    if not before:
        return {"code": code, "lines": code, "value": ""}
    return {"code": code, "lines": before, "value": value[:-1]}


# The generators.


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_conditional(
    dice: Dice, *, kinds: Sequence[str] = _names("conditional"), branches: int = 2
) -> Iterator[Content]:
    """Programs with ``branches`` branches that print a word each; ``flag`` and ``operator`` have two.

    Kinds: ``flag`` (if ready), ``equal`` (if x == 3), ``word`` (if x == "cat"), ``compare`` (if x > 3, x
    differs), ``operator`` (if x > 3, the operator differs), ``call`` and ``word_call`` (a function tests its
    argument against ``branches`` values; the argument differs). Slot: ``code``.
    """
    require_whole("branches", branches, 2, 4)
    yield from _draws(dice, kinds, "conditional", branches)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_loop(
    dice: Dice, *, kinds: Sequence[str] = _names("loop"), length: int = 3
) -> Iterator[Content]:
    """Programs with a ``for`` loop over ``length`` values, or with at most so many rounds.

    Kinds: ``repeat`` (a number is added; the number of rounds differs), ``step`` (what is added differs),
    ``total`` (of a list; one element differs), ``last`` and ``last_word`` (the last element stays, and
    differs), ``found`` (the last number < or > a bound), ``grow`` (a letter is added to a text).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value`` (what it prints).
    """
    require_whole("length", length, 3, 6)
    yield from _draws(dice, kinds, "loop", length)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_list(
    dice: Dice, *, kinds: Sequence[str] = _names("list"), length: int = 3
) -> Iterator[Content]:
    """Programs about a list of ``length`` elements.

    Kinds: ``index`` and ``word_index`` (the index differs), ``element`` (what is there differs),
    ``append`` (then the last one is printed), ``assign`` (x[1] = 7), ``extreme`` (max or min), ``sum``,
    ``length`` (of a slice). Slots: ``code``; ``lines`` (all but the print at the end) and ``value``.
    """
    require_whole("length", length, 2, 6)
    yield from _draws(dice, kinds, "list", length)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_arithmetic(
    dice: Dice, *, kinds: Sequence[str] = _names("arithmetic"), largest: int = 30
) -> Iterator[Content]:
    """Programs that calculate with numbers up to ``largest``; a number differs.

    Kinds: ``remainder`` (x % 3), ``parity`` (prints even or odd), ``divisible`` (prints one of two words),
    ``branch`` (adds or subtracts), ``assigned`` and ``added`` (y = x + 3; x or the other number differs).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value``, empty if it prints in a branch.
    """
    require_whole("largest", largest, 9, 99)
    yield from _draws(dice, kinds, "arithmetic", largest)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_string(
    dice: Dice, *, kinds: Sequence[str] = _names("string"), words: int = 2
) -> Iterator[Content]:
    """Programs about a text; ``split`` has ``words`` words.

    Kinds: ``upper``, ``lower``, ``plural`` (x + "s"), ``concatenation``, ``size`` (len) and ``starts``
    (startswith or endswith; the word differs), ``method`` (upper, lower or title differs), ``letter``
    (the index differs), ``replace``, ``split`` (the index differs).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value``.
    """
    require_whole("words", words, 2, 4)
    yield from _draws(dice, kinds, "string", words)
