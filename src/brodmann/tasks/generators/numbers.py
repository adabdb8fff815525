"""Contents about numbers: arithmetic and sequences, each answer computed by executing the problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Content, endless, generator

_APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
}
_BINDS_TIGHTER = "*/"


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
    symbols: dict[str, str] | None = None,
) -> Iterator[Content]:
    """Two expressions that differ in one operand, and their values.

    Operands are ``low`` to ``high``; every operand and result has the same number of digits on both sides,
    so that nothing but the digits tells the two apart. ``symbols`` replaces operator signs in the text.
    Slots: ``expression``, and the operands as ``a``, ``b``, ... for verbal problems, whose frames choose by
    ``operators`` (``"+-"``: first plus, then minus).
    """
    if not 2 <= operands <= 4:
        raise ValueError(f"operands must be 2, 3 or 4, found {operands!r}")
    unknown = [sign for sign in operators if sign not in _APPLY]
    if unknown or not operators:
        raise ValueError(f"operators must be some of {' '.join(_APPLY)}, found {list(operators)!r}")
    if not 0 <= low < high:
        raise ValueError(
            f"low and high must be numbers with 0 <= low < high, found {low!r}, {high!r}"
        )
    shown = symbols or {}

    def content(numbers: list[int], signs: list[str]) -> dict[str, str]:
        text = str(numbers[0])
        for sign, number in zip(signs, numbers[1:], strict=True):
            text += f" {shown.get(sign, sign)} {number}"
        values = dict(zip("abcd", map(str, numbers), strict=False))
        return {"expression": text, **values}

    def draw() -> Content | None:
        signs = [dice.choice(operators) for _ in range(operands - 1)]
        clean = [dice.between(low, high) for _ in range(operands)]
        corrupted = list(clean)
        place = dice.below(operands)
        corrupted[place] = dice.between(low, high)
        results = evaluate(clean, signs), evaluate(corrupted, signs)
        if None in results or results[0] == results[1] or min(results) < lowest_result:
            return None
        if highest_result is not None and max(results) > highest_result:
            return None
        if not _equally_long(results) or not _equally_long((clean[place], corrupted[place])):
            return None
        sides = content(clean, signs), content(corrupted, signs)
        return Content(
            *sides,
            answers=(str(results[0]), str(results[1])),
            unit=_unit(side["expression"] for side in sides),
            conditions={"operators": "".join(signs), "changed": "abcd"[place]},
        )

    yield from endless(draw)


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
    unknown = [rule for rule in rules if rule not in _RULES]
    if unknown or not rules:
        raise ValueError(f"rules must be some of {', '.join(_RULES)}, found {list(rules)!r}")
    if length < 3:
        raise ValueError(f"length must be at least 3, found {length!r}")
    if not 0 <= low < high:
        raise ValueError(
            f"low and high must be numbers with 0 <= low < high, found {low!r}, {high!r}"
        )

    def draw() -> Content | None:
        rule = dice.choice(rules)
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

    yield from endless(draw)
