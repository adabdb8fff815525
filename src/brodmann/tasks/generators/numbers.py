"""Contents about numbers: arithmetic, equations, sequences and sorting, each answer computed.

Where contents come in several kinds (operators, rules, ...), all kinds are equally frequent however rarely
a random draw meets the limits of a kind: exact divisions are as many as products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import TypeVar

from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Content, endless, generator, require_some

_APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
}
_BINDS_TIGHTER = "*/"

Kind = TypeVar("Kind")
# A kind that fails this often in a row gives its turn to another one.
_TRIES = 1000


def evaluate(operands: Sequence[int], operators: Sequence[str]) -> int | None:
    """The value of ``o1 op1 o2 op2 ...`` with the usual precedence; None where a division is not exact."""
    values, pending = [operands[0]], []
    for operator, operand in zip(operators, operands[1:], strict=True):
        if operator not in _BINDS_TIGHTER:
            values.append(operand)
            pending.append(operator)
            continue
        if operator == "/" and (operand == 0 or values[-1] % operand):
            return None
        values[-1] = _APPLY[operator](values[-1], operand)
    result = values[0]
    for operator, value in zip(pending, values[1:], strict=True):
        result = _APPLY[operator](result, value)
    return result


@generator(slots=("expression", "a", "b", "c", "d"), conditions=("operators", "changed"))
def arithmetic(
    dice: Dice,
    *,
    operands: int = 2,
    operators: Sequence[str] = ("+", "-"),
    low: int = 1,
    high: int = 9,
    lowest_result: int = 0,
    highest_result: int | None = None,
    highest_dividend: int | None = None,
    symbols: dict[str, str] | None = None,
) -> Iterator[Content]:
    """Two expressions that differ in one operand, and their values.

    Operands are ``low`` to ``high``, but what a problem begins to divide is up to ``highest_dividend``.
    Results, those of the problem's beginnings too (the 4 of 9 - 5 + 3), are ``lowest_result`` to
    ``highest_result``. Every operand and result has the same number of digits on both sides, so that nothing
    but the digits tells the two apart. ``symbols`` replaces operator signs in the text.
    Slots: ``expression``, and the operands as ``a``, ``b``, ... for verbal problems, whose frames choose by
    ``operators`` (``"+-"``: first plus, then minus).
    """
    if not 2 <= operands <= 4:
        raise ValueError(f"operands must be 2, 3 or 4, found {operands!r}")
    require_some("operators", operators, _APPLY, sep=" ")
    _require_span(low, high)
    if highest_dividend is not None and highest_dividend < low:
        raise ValueError(
            f"highest_dividend must be a number from low on, found {highest_dividend!r}"
        )
    shown = symbols or {}

    def content(numbers: list[int], signs: Sequence[str]) -> dict[str, str]:
        text = str(numbers[0])
        for sign, number in zip(signs, numbers[1:], strict=True):
            text += f" {shown.get(sign, sign)} {number}"
        values = dict(zip("abcd", map(str, numbers), strict=False))
        return {"expression": text, **values}

    def draw(kind: tuple[tuple[str, ...], int]) -> Content | None:
        signs, place = kind
        highest = [high] * operands
        if signs[0] == "/":
            highest[0] = highest_dividend or high
        clean = [dice.between(low, limit) for limit in highest]
        corrupted = list(clean)
        corrupted[place] = dice.between(low, highest[place])
        if not _equally_long((clean[place], corrupted[place])):
            return None
        results = _results(clean, signs) + _results(corrupted, signs)
        if None in results or min(results) < lowest_result:
            return None
        if highest_result is not None and max(results) > highest_result:
            return None
        answers = results[operands - 2], results[-1]
        if answers[0] == answers[1] or not _equally_long(answers):
            return None
        sides = content(clean, signs), content(corrupted, signs)
        return Content(
            *sides,
            answers=(str(answers[0]), str(answers[1])),
            unit=_unit(side["expression"] for side in sides),
            conditions={"operators": "".join(signs), "changed": "abcd"[place]},
        )

    kinds = list(product(product(operators, repeat=operands - 1), range(operands)))
    yield from _in_turn(dice, kinds, draw)


def _require_span(low: int, high: int) -> None:
    if not 0 <= low < high:
        raise ValueError(
            f"low and high must be numbers with 0 <= low < high, found {low!r}, {high!r}"
        )


def _results(operands: Sequence[int], operators: Sequence[str]) -> list[int | None]:
    """The values of ``o1 op1 o2``, ``o1 op1 o2 op2 o3``, ...: the last one is the problem's."""
    return [evaluate(operands[: n + 1], operators[:n]) for n in range(1, len(operands))]


def _in_turn(
    dice: Dice, kinds: Sequence[Kind], draw: Callable[[Kind], Content | None]
) -> Iterator[Content]:
    """Contents of all kinds equally often: a kind is drawn until it gives one, or fails too often."""
    kind, tries = kinds[0], 0

    def attempt() -> Content | None:
        nonlocal kind, tries
        if not tries:
            kind, tries = dice.choice(kinds), _TRIES
        content = draw(kind)
        tries = tries - 1 if content is None else 0
        return content

    return endless(attempt)


def _equally_long(numbers: Iterable[int]) -> bool:
    return len({len(str(number)) for number in numbers}) == 1


def _unit(problems: Iterable[str]) -> str:
    """One name for a pair of problems, whichever of them is the clean one."""
    return " | ".join(sorted(problems))


def _progression(start: int, step: int, length: int) -> list[int]:
    return [start + step * index for index in range(length)]


def _geometric(start: int, step: int, length: int) -> list[int]:
    return [start * step**index for index in range(length)]


def _alternation(start: int, step: int, length: int) -> list[int]:
    return [start + step * (index % 2) for index in range(length)]


# Rule -> the terms for (start, step, length), and the steps to draw from.
_RULES: dict[str, tuple[Callable[[int, int, int], list[int]], tuple[int, int]]] = {
    "up": (_progression, (1, 9)),
    "down": (lambda start, step, length: _progression(start, -step, length), (1, 9)),
    "times": (_geometric, (2, 5)),
    "alternate": (_alternation, (1, 9)),
}


@generator(slots=("sequence",), conditions=("rule",))
def number_sequence(
    dice: Dice,
    *,
    rules: Sequence[str] = ("up", "down"),
    length: int = 4,
    low: int = 1,
    high: int = 20,
    step_low: int | None = None,
    step_high: int | None = None,
    largest: int = 99,
) -> Iterator[Content]:
    """Two sequences by one rule, and their next terms: another start, or another step from one start.

    Terms lie in 0 .. ``largest``; terms in the same place have the same number of digits. Slot:
    ``sequence``, the first ``length`` terms with commas between them.
    """
    require_some("rules", rules, _RULES)
    if length < 3:
        raise ValueError(f"length must be at least 3, found {length!r}")
    _require_span(low, high)

    def draw(rule: str) -> Content | None:
        terms_of, (lowest, highest) = _RULES[rule]
        lowest, highest = step_low or lowest, step_high or highest
        start, step = dice.between(low, high), dice.between(lowest, highest)
        other_start, other_step = start, step
        if dice.below(2):
            other_start = dice.between(low, high)
        else:
            other_step = dice.between(lowest, highest)
        clean = terms_of(start, step, length + 1)
        corrupted = terms_of(other_start, other_step, length + 1)
        if clean[-1] == corrupted[-1] or not all(
            0 <= term <= largest for term in clean + corrupted
        ):
            return None
        if not all(map(_equally_long, zip(clean, corrupted, strict=True))):
            return None
        sides = [", ".join(map(str, terms[:-1])) for terms in (clean, corrupted)]
        return Content(
            {"sequence": sides[0]},
            {"sequence": sides[1]},
            answers=(str(clean[-1]), str(corrupted[-1])),
            unit=_unit(sides),
            conditions={"rule": rule},
        )

    yield from _in_turn(dice, rules, draw)


# Equation with the unknown {x} -> the value of {x}, given {a} and {b}; None where it is no whole number.
_EQUATIONS: dict[str, tuple[str, Callable[[int, int], int | None]]] = {
    "x+a": ("{x} + {a} = {b}", lambda a, b: b - a),
    "a+x": ("{a} + {x} = {b}", lambda a, b: b - a),
    "x-a": ("{x} - {a} = {b}", lambda a, b: b + a),
    "a-x": ("{a} - {x} = {b}", lambda a, b: a - b),
    "x*a": ("{x} × {a} = {b}", lambda a, b: evaluate((b, a), "/")),
    "a*x": ("{a} × {x} = {b}", lambda a, b: evaluate((b, a), "/")),
    "x/a": ("{x} ÷ {a} = {b}", lambda a, b: b * a),
    "a/x": ("{a} ÷ {x} = {b}", lambda a, b: evaluate((a, b), "/")),
}


@generator(slots=("equation", "letter"), conditions=("form", "changed"))
def equation(
    dice: Dice,
    *,
    forms: Sequence[str] = ("x+a", "a+x", "x-a", "a-x"),
    letters: Sequence[str] = ("x",),
    low: int = 1,
    high: int = 9,
) -> Iterator[Content]:
    """Two equations with one unknown that differ in one number, and their solutions.

    All numbers, the solutions too, are ``low`` to ``high``, and have the same number of digits on both sides.
    Slots: ``equation``, and ``letter``, the unknown in it, which is one of ``letters``. Conditions: ``form``,
    and ``changed``: ``a``, or ``b`` for the number after the equals sign.
    """
    require_some("forms", forms, _EQUATIONS)
    if not letters or not all(isinstance(letter, str) and letter for letter in letters):
        raise ValueError(f"letters must be names of the unknown, found {letters!r}")
    _require_span(low, high)

    def draw(kind: tuple[str, str]) -> Content | None:
        form, changed = kind
        text, solve = _EQUATIONS[form]
        clean = {"a": dice.between(low, high), "b": dice.between(low, high)}
        corrupted = clean | {changed: dice.between(low, high)}
        solutions = solve(**clean), solve(**corrupted)
        if None in solutions or solutions[0] == solutions[1]:
            return None
        if not low <= min(solutions) <= max(solutions) <= high or not _equally_long(solutions):
            return None
        if not _equally_long((clean[changed], corrupted[changed])):
            return None
        letter = dice.choice(letters)
        sides = [
            {"equation": text.format(x=letter, **numbers), "letter": letter}
            for numbers in (clean, corrupted)
        ]
        return Content(
            *sides,
            answers=(str(solutions[0]), str(solutions[1])),
            unit=_unit(text.format(x="x", **numbers) for numbers in (clean, corrupted)),
            conditions={"form": form, "changed": changed},
        )

    yield from _in_turn(dice, list(product(forms, "ab")), draw)


_ASKS = ("ends", "around", "larger", "smaller")


@generator(slots=("numbers", "listed", "number"), conditions=("ask",))
def number_sorting(
    dice: Dice,
    *,
    asks: Sequence[str] = _ASKS,
    length: int = 5,
    low: int = 10,
    high: int = 99,
) -> Iterator[Content]:
    """One list of different numbers in random order, and two of them that two questions ask for.

    Both options stand in the list, which is the same on both sides, so no place in it is right more often
    than another. ``asks``: ``ends`` (the smallest, then the largest; the frame's contrast says which),
    ``around`` (the one before, then the one after {number} in ascending order; the contrast again),
    ``larger`` and ``smaller`` (the next larger or smaller one than {number}, which differs in the pair).
    All numbers are ``low`` to ``high`` and equally long. Slots: ``number``; ``numbers`` (3, 1, 2) and
    ``listed`` (3, 1 and 2).
    """
    require_some("asks", asks, _ASKS)
    shortest = 4 if {"larger", "smaller"} & set(asks) else 3
    if length < shortest:
        raise ValueError(f"length must be at least {shortest}, found {length!r}")
    _require_span(low, high)

    def draw(ask: str) -> Content | None:
        numbers = [dice.between(low, high) for _ in range(length)]
        ranked = sorted(set(numbers))
        if len(ranked) < length or not _equally_long(ranked):
            return None
        asked, answers = _question(dice, ask, ranked)
        texts = [str(number) for number in numbers]
        shared = {"numbers": ", ".join(texts), "listed": f"{', '.join(texts[:-1])} and {texts[-1]}"}
        sides = [shared | {"number": str(number)} for number in asked]
        return Content(
            *sides,
            answers=(str(answers[0]), str(answers[1])),
            unit=_unit(f"{side['numbers']}: {ask} {side['number']}" for side in sides),
            conditions={"ask": ask},
        )

    yield from _in_turn(dice, asks, draw)


def _question(
    dice: Dice, ask: str, ranked: Sequence[int]
) -> tuple[tuple[int | str, int | str], tuple[int, int]]:
    """What {number} is on both sides (nothing for the ends), and the two answers."""
    if ask == "ends":
        return ("", ""), (ranked[0], ranked[-1])
    if ask == "around":
        place = dice.between(1, len(ranked) - 2)
        return (ranked[place],) * 2, (ranked[place - 1], ranked[place + 1])
    # Two pairs of neighbours without a common number: no option is named by a question.
    lower = dice.between(0, len(ranked) - 4)
    upper = dice.between(lower + 2, len(ranked) - 2)
    step = 1 if ask == "larger" else 0
    asked = ranked[lower + 1 - step], ranked[upper + 1 - step]
    return asked, (ranked[lower + step], ranked[upper + step])
