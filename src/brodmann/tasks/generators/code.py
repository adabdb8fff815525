"""Contents about code: short Python programs that differ in one token, and what each of them prints.

A *kind* of program is a function that draws its lines, with ``@`` where the two programs of a pair differ
and X, Y, I for variables whose names are drawn. Every answer is what running the program prints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Content, endless, generator, require_some, require_whole

# Words that programs hold and print, in groups of one kind: short and frequent, one token after a quotation
# mark in the vocabularies that brodmann knows.
_WORDS = (
    ("cat", "dog", "bird", "lion", "horse", "fish", "mouse"),
    ("red", "blue", "green", "black", "white", "gray", "gold"),
    ("apple", "bean", "rice", "corn", "bread"),
    ("river", "lake", "forest", "city"),
    ("car", "boat", "train", "plane", "ship", "bus"),
    ("cup", "plate", "pot", "bag", "key", "book", "table", "door"),
    ("small", "large", "short", "long", "wide"),
    ("sun", "star", "cloud", "wind", "rain"),
    ("tree", "flower", "seed", "rock", "leaf"),
    ("hand", "head", "arm", "leg", "ear", "foot"),
    ("ball", "bell", "ring", "flag", "hat", "map"),
)
_COLOURS = _WORDS[1]
_IRREGULAR = (
    "fish",
    "mouse",
    "rice",
    "corn",
    "bread",
    "city",
    "bus",
    "leaf",
    "foot",
    "wind",
    "rain",
)
# The plural is the word and an s.
_PLURALS = tuple(
    tuple(word for word in group if word not in _IRREGULAR)
    for group in _WORDS
    if group[0] not in ("red", "small")
)
_NAMES = {"X": ("x", "a", "n", "k"), "Y": ("y", "b", "m"), "I": ("i", "j")}
_WORD_NAMES = {"X": ("s", "t", "w", "text"), "Y": ("u", "v", "p"), "I": ("i", "j")}
_FLAGS = ("ready", "done", "full", "found", "active", "valid", "empty")


@dataclass(frozen=True)
class _Program:
    """Lines with ``@`` for the ``fillings`` of the two sides, and its variables' names."""

    lines: str
    fillings: tuple[object, object]
    names: dict[str, tuple[str, ...]]


_Kind = Callable[[Dice, int], _Program]


def _kinds(*draws: _Kind) -> dict[str, _Kind]:
    """Each under its function's name."""
    return {draw.__name__.removeprefix("_"): draw for draw in draws}


def _pair(dice: Dice, low: int, high: int) -> tuple[int, int]:
    return dice.between(low, high), dice.between(low, high)


def _two(dice: Dice, words: Sequence[str]) -> tuple[str, str]:
    first, second, *_ = dice.shuffled(words)
    return first, second


def _numbers(dice: Dice, count: int, low: int = 1, high: int = 9) -> list[int]:
    """``count`` different numbers, as long as there are enough."""
    return (dice.shuffled(range(low, high + 1)) * count)[:count]


def _sized(dice: Dice, groups: Sequence[Sequence[str]], count: int) -> list[str]:
    """``count`` words of one group."""
    return dice.shuffled(dice.choice([group for group in groups if len(group) >= count]))[:count]


def _two_groups(dice: Dice, count: int) -> list[list[str]]:
    """``count`` words of one group, and as many of another."""
    large = [group for group in _WORDS if len(group) >= count]
    return [dice.shuffled(group)[:count] for group in dice.shuffled(large)[:2]]


def _printed(code: str) -> str:
    """What a program of this module prints, its lines joined with a space."""
    lines: list[str] = []
    names = {"len": len, "sum": sum, "max": max, "min": min, "range": range}
    names["print"] = lambda value: lines.append(str(value))
    # The text is made here from fixed pieces and numbers; nothing of it comes from a file.
    exec(code, {"__builtins__": names})
    return " ".join(lines)


def _draws(
    dice: Dice, kinds: Sequence[str], known: dict[str, _Kind], size: int
) -> Iterator[Content]:
    """Pairs of programs of these kinds that print different things, numbers equally many digits."""
    require_some("kinds", kinds, known)

    def draw() -> Content | None:
        kind = dice.choice(kinds)
        program = known[kind](dice, size)
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


# Conditionals


def _branching(conditions: Sequence[str], prints: Sequence[str]) -> str:
    """``if``, ``elif`` and ``else``, one condition less than there are branches."""
    heads = [f"if {conditions[0]}:", *(f"elif {text}:" for text in conditions[1:]), "else:"]
    return "\n".join(
        f'{head}\n    print("{word}")' for head, word in zip(heads, prints, strict=True)
    )


def _flag(dice: Dice, branches: int) -> _Program:
    words = _sized(dice, _WORDS, 2)
    flag = dice.choice(_FLAGS)
    lines = _branching([flag if dice.below(2) else f"not {flag}"], words)
    return _Program(f"{flag} = @\n{lines}", ("True", "False"), {})


def _equal(dice: Dice, branches: int) -> _Program:
    values = _numbers(dice, branches)
    words = _sized(dice, _WORDS, branches)
    lines = _branching([f"X == {value}" for value in values[:-1]], words)
    return _Program(f"X = @\n{lines}", _two(dice, values), _NAMES)


def _word(dice: Dice, branches: int) -> _Program:
    first, second = _two_groups(dice, branches)
    lines = _branching([f'X == "{word}"' for word in first[:-1]], second)
    return _Program(f'X = "@"\n{lines}', _two(dice, first), _WORD_NAMES)


def _compare(dice: Dice, branches: int) -> _Program:
    words = _sized(dice, _WORDS, branches)
    sign = dice.choice("<>")
    bounds = sorted(_numbers(dice, branches - 1, 2, 8), reverse=sign == ">")
    lines = _branching([f"X {sign} {bound}" for bound in bounds], words)
    return _Program(f"X = @\n{lines}", _pair(dice, 1, 9), _NAMES)


def _operator(dice: Dice, branches: int) -> _Program:
    words = _sized(dice, _WORDS, 2)
    value, bound = _numbers(dice, 2)
    lines = _branching([f"X @ {bound}"], words)
    return _Program(f"X = {value}\n{lines}", ("<", ">") if dice.below(2) else (">", "<"), _NAMES)


def _called(conditions: Sequence[str], words: Sequence[str]) -> str:
    """A function that returns a word for each value, and a call."""
    cases = "".join(
        f'    if {text}: return "{word}"\n' for text, word in zip(conditions, words, strict=True)
    )
    return f"def f(X):\n{cases}print(f(@))"


def _call(dice: Dice, branches: int) -> _Program:
    words = _sized(dice, _WORDS, branches)
    values = _numbers(dice, branches)
    lines = _called([f"X == {value}" for value in values], words)
    return _Program(lines, (values[0], values[1]), _NAMES)


def _word_call(dice: Dice, branches: int) -> _Program:
    first, second = _two_groups(dice, branches)
    lines = _called([f'X == "{word}"' for word in first], second)
    return _Program(lines, (f'"{first[0]}"', f'"{first[1]}"'), _WORD_NAMES)


_CONDITIONAL = _kinds(_flag, _equal, _word, _compare, _operator, _call, _word_call)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_conditional(
    dice: Dice, *, kinds: Sequence[str] = tuple(_CONDITIONAL), branches: int = 2
) -> Iterator[Content]:
    """Programs with ``branches`` branches that print a word each; ``flag`` and ``operator`` have two.

    Kinds: ``flag`` (if ready), ``equal`` (if x == 3), ``word`` (if x == "cat"), ``compare`` (if x > 3, x
    differs), ``operator`` (if x > 3, the operator differs), ``call`` and ``word_call`` (a function tests its
    argument against ``branches`` values; the argument differs). Slot: ``code``.
    """
    require_whole("branches", branches, 2, 4)
    yield from _draws(dice, kinds, _CONDITIONAL, branches)


# Loops


def _repeat(dice: Dice, length: int) -> _Program:
    start, step = dice.between(0, 9), dice.between(1, 5)
    lines = f"X = {start}\nfor I in range(@):\n    X = X + {step}\nprint(X)"
    return _Program(lines, (dice.between(2, length), dice.between(2, length)), _NAMES)


def _step(dice: Dice, length: int) -> _Program:
    start, rounds = dice.between(0, 9), dice.between(2, length)
    lines = f"X = {start}\nfor I in range({rounds}):\n    X = X + @\nprint(X)"
    return _Program(lines, _pair(dice, 1, 5), _NAMES)


def _total(dice: Dice, length: int) -> _Program:
    values: list[object] = list(_numbers(dice, length))
    values[dice.below(length)] = "@"
    lines = f"X = 0\nfor I in {_list(values)}:\n    X = X + I\nprint(X)"
    return _Program(lines, _pair(dice, 1, 9), _NAMES)


def _last(dice: Dice, length: int) -> _Program:
    """The rest of the list has neither answer: the right one would always be the last one named."""
    *values, first, second = _numbers(dice, length + 1)
    lines = f"X = 0\nfor I in {_list([*values, '@'])}:\n    X = I\nprint(X)"
    return _Program(lines, (first, second), _NAMES)


def _last_word(dice: Dice, length: int) -> _Program:
    *words, first, second = _sized(dice, _WORDS, length + 1)
    shown = [f'"{word}"' for word in [*words, "@"]]
    lines = f'X = ""\nfor I in {_list(shown)}:\n    X = I\nprint(X)'
    return _Program(lines, (first, second), _WORD_NAMES)


def _found(dice: Dice, length: int) -> _Program:
    """The last number of a list on one side of a bound."""
    values = _numbers(dice, length)
    bound = dice.between(2, 8)
    lines = f"X = 0\nfor I in {_list(values)}:\n    if I @ {bound}:\n        X = I\nprint(X)"
    return _Program(lines, ("<", ">") if dice.below(2) else (">", "<"), _NAMES)


def _grow(dice: Dice, length: int) -> _Program:
    """A letter added several times."""
    first, second = _two(dice, "abcdefghkmnopqrstuvwxyz")
    rounds = dice.between(2, length)
    lines = f'X = ""\nfor I in range({rounds}):\n    X = X + "@"\nprint(X)'
    return _Program(lines, (first, second), _WORD_NAMES)


_LOOP = _kinds(_repeat, _step, _total, _last, _last_word, _found, _grow)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_loop(
    dice: Dice, *, kinds: Sequence[str] = tuple(_LOOP), length: int = 3
) -> Iterator[Content]:
    """Programs with a ``for`` loop over ``length`` values, or with at most so many rounds.

    Kinds: ``repeat`` (a number is added; the number of rounds differs), ``step`` (what is added differs),
    ``total`` (of a list; one element differs), ``last`` and ``last_word`` (the last element stays, and
    differs), ``found`` (the last number < or > a bound), ``grow`` (a letter is added to a text).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value`` (what it prints).
    """
    require_whole("length", length, 3, 6)
    yield from _draws(dice, kinds, _LOOP, length)


# Lists


def _list(values: Sequence[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


def _index(dice: Dice, length: int) -> _Program:
    lines = f"X = {_list(_numbers(dice, length))}\nprint(X[@])"
    return _Program(lines, _pair(dice, 0, length - 1), _NAMES)


def _word_index(dice: Dice, length: int) -> _Program:
    shown = [f'"{word}"' for word in _sized(dice, _WORDS, length)]
    return _Program(f"X = {_list(shown)}\nprint(X[@])", _pair(dice, 0, length - 1), _NAMES)


def _element(dice: Dice, length: int) -> _Program:
    """The index is the same; the element there is one of two others."""
    place = dice.below(length)
    values: list[object] = list(_numbers(dice, length))
    first, second, *_ = dice.shuffled([*values[:place], *values[place + 1 :], dice.between(1, 9)])
    values[place] = "@"
    return _Program(f"X = {_list(values)}\nprint(X[{place}])", (first, second), _NAMES)


def _append(dice: Dice, length: int) -> _Program:
    *values, first, second = _numbers(dice, length + 2)
    lines = f"X = {_list(values)}\nX.append(@)\nprint(X[-1])"
    return _Program(lines, (first, second), _NAMES)


def _assign(dice: Dice, length: int) -> _Program:
    """An element is replaced; the place where differs, the place that is printed does not."""
    values = _numbers(dice, length + 1)
    place, other = (int(text) for text in _two(dice, [str(n) for n in range(length)]))
    lines = f"X = {_list(values[:-1])}\nX[@] = {values[-1]}\nprint(X[{place}])"
    return _Program(lines, (place, other) if dice.below(2) else (other, place), _NAMES)


def _extreme(dice: Dice, length: int) -> _Program:
    lines = f"X = {_list(_numbers(dice, length))}\nprint(@(X))"
    return _Program(lines, ("max", "min") if dice.below(2) else ("min", "max"), _NAMES)


def _sum(dice: Dice, length: int) -> _Program:
    values: list[object] = list(_numbers(dice, length))
    values[dice.below(length)] = "@"
    return _Program(f"X = {_list(values)}\nprint(sum(X))", _pair(dice, 1, 9), _NAMES)


def _length(dice: Dice, length: int) -> _Program:
    values = _numbers(dice, length)
    lines = f"X = {_list(values)}\nY = X[@:]\nprint(len(Y))"
    return _Program(lines, _pair(dice, 0, length - 1), _NAMES)


_LIST = _kinds(_index, _word_index, _element, _append, _assign, _extreme, _sum, _length)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_list(
    dice: Dice, *, kinds: Sequence[str] = tuple(_LIST), length: int = 3
) -> Iterator[Content]:
    """Programs about a list of ``length`` elements.

    Kinds: ``index`` and ``word_index`` (the index differs), ``element`` (what is there differs),
    ``append`` (then the last one is printed), ``assign`` (x[1] = 7), ``extreme`` (max or min), ``sum``,
    ``length`` (of a slice). Slots: ``code``; ``lines`` (all but the print at the end) and ``value``.
    """
    require_whole("length", length, 2, 6)
    yield from _draws(dice, kinds, _LIST, length)


# Arithmetic


def _remainder(dice: Dice, largest: int) -> _Program:
    divisor = dice.between(2, 10)
    lines = f"X = @\nprint(X % {divisor})"
    return _Program(lines, _equally_long(dice, 2, largest), _NAMES)


def _parity(dice: Dice, largest: int) -> _Program:
    sign, first, second = dice.choice([("==", "even", "odd"), ("!=", "odd", "even")])
    lines = f'X = @\nif X % 2 {sign} 0:\n    print("{first}")\nelse:\n    print("{second}")'
    return _Program(lines, _equally_long(dice, 1, largest), _NAMES)


def _divisible(dice: Dice, largest: int) -> _Program:
    words = _sized(dice, _WORDS, 2)
    divisor = dice.choice((2, 3, 4, 5, 10))
    lines = _branching([f"X % {divisor} == 0"], words)
    return _Program(f"X = @\n{lines}", _equally_long(dice, 1, largest), _NAMES)


def _branch(dice: Dice, largest: int) -> _Program:
    """A number is changed in one of two ways."""
    bound, (first, second) = dice.between(2, 8), _numbers(dice, 2, 1, 5)
    lines = f"X = @\nif X > {bound}:\n    X = X - {first}\nelse:\n    X = X + {second}\nprint(X)"
    return _Program(lines, _pair(dice, 1, 9), _NAMES)


def _assigned(dice: Dice, largest: int) -> _Program:
    sign, number = dice.choice("+-"), dice.between(1, 9)
    lines = f"X = @\nY = X {sign} {number}\nprint(Y)"
    return _Program(lines, _equally_long(dice, 1, min(largest, 19)), _NAMES)


def _added(dice: Dice, largest: int) -> _Program:
    sign, number = dice.choice("+-"), dice.between(1, min(largest, 19))
    lines = f"X = {number}\nY = X {sign} @\nprint(Y)"
    return _Program(lines, _pair(dice, 1, 9), _NAMES)


def _equally_long(dice: Dice, low: int, high: int) -> tuple[int, int]:
    """Two numbers with equally many digits."""
    first = dice.between(low, high)
    same = [number for number in range(low, high + 1) if len(str(number)) == len(str(first))]
    return first, dice.choice(same)


_ARITHMETIC = _kinds(_remainder, _parity, _divisible, _branch, _assigned, _added)


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_arithmetic(
    dice: Dice, *, kinds: Sequence[str] = tuple(_ARITHMETIC), largest: int = 30
) -> Iterator[Content]:
    """Programs that calculate with numbers up to ``largest``; a number differs.

    Kinds: ``remainder`` (x % 3), ``parity`` (prints even or odd), ``divisible`` (prints one of two words),
    ``branch`` (adds or subtracts), ``assigned`` and ``added`` (y = x + 3; x or the other number differs).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value``, empty if it prints in a branch.
    """
    require_whole("largest", largest, 9, 99)
    yield from _draws(dice, kinds, _ARITHMETIC, largest)


# Strings


def _of_word(value: str, groups: Sequence[Sequence[str]] = _WORDS) -> _Kind:
    """A program that prints ``value``, an expression of a word X, which differs."""

    def draw(dice: Dice, words: int) -> _Program:
        first, second = _sized(dice, groups, 2)
        return _Program(f'X = "@"\nprint({value})', (first, second), _WORD_NAMES)

    return draw


def _lower(dice: Dice, words: int) -> _Program:
    first, second = _sized(dice, _WORDS, 2)
    return _Program('X = "@"\nprint(X.lower())', (first.title(), second.title()), _WORD_NAMES)


def _method(dice: Dice, words: int) -> _Program:
    [word] = _sized(dice, _WORDS, 1)
    pair = _two(dice, ("upper", "lower", "title"))
    return _Program(f'X = "{word}"\nprint(X.@())', pair, _WORD_NAMES)


def _letter(dice: Dice, words: int) -> _Program:
    [word] = _sized(dice, _WORDS, 1)
    return _Program(f'X = "{word}"\nprint(X[@])', _pair(dice, 0, len(word) - 1), _WORD_NAMES)


def _concatenation(dice: Dice, words: int) -> _Program:
    """Two words with a space between; what is put in front differs."""
    colour, other = dice.shuffled(_COLOURS)[:2]
    [thing] = _sized(dice, _PLURALS, 1)
    lines = f'X = "@"\nY = "{thing}"\nprint(X + " " + Y)'
    return _Program(lines, (colour, other), _WORD_NAMES)


def _replace(dice: Dice, words: int) -> _Program:
    shown, first, second = _sized(dice, _WORDS, 3)
    lines = f'X = "{shown}"\nX = X.replace("{shown}", "@")\nprint(X)'
    return _Program(lines, (first, second), _WORD_NAMES)


def _split(dice: Dice, words: int) -> _Program:
    shown = _sized(dice, _WORDS, words)
    lines = f'X = "{" ".join(shown)}"\nprint(X.split()[@])'
    return _Program(lines, _pair(dice, 0, words - 1), _WORD_NAMES)


def _starts(dice: Dice, words: int) -> _Program:
    first, second = _sized(dice, _WORDS, 2)
    method = dice.choice(("startswith", "endswith"))
    letter = first[0] if method == "startswith" else first[-1]
    lines = f'X = "@"\nprint(X.{method}("{letter}"))'
    return _Program(lines, (first, second), _WORD_NAMES)


_STRING = {
    "upper": _of_word("X.upper()"),
    **_kinds(_lower, _method, _letter),
    "plural": _of_word('X + "s"', _PLURALS),
    **_kinds(_concatenation, _replace, _split),
    "size": _of_word("len(X)"),
    **_kinds(_starts),
}


@generator(slots=("code", "lines", "value"), conditions=("kind",))
def code_string(
    dice: Dice, *, kinds: Sequence[str] = tuple(_STRING), words: int = 2
) -> Iterator[Content]:
    """Programs about a text; ``split`` has ``words`` words.

    Kinds: ``upper``, ``lower``, ``plural`` (x + "s"), ``concatenation``, ``size`` (len) and ``starts``
    (startswith or endswith; the word differs), ``method`` (upper, lower or title differs), ``letter``
    (the index differs), ``replace``, ``split`` (the index differs).
    Slots: ``code``; ``lines`` (all but the print at the end) and ``value``.
    """
    require_whole("words", words, 2, 4)
    yield from _draws(dice, kinds, _STRING, words)
