"""Contents about logic: syllogisms and propositions, with what follows from them and what does not.

The world must not help: which class has which property is drawn, so a conclusion that is true in the world
is as likely to be wrong. The two problems of a pair differ in one word; it decides which of the two answers
follows, and the other one does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import Content, endless, generator, require_some, require_whole

_FORMS = ("property", "denial")
_LETTERS = "BCDEFGHJKLMNPQRSTUVWXYZ"  # without A and I, which are words


@generator(slots=("rules", "middle", "member", "property"), conditions=("form",))
def syllogism(
    dice: Dice,
    *,
    classes: Sequence[str] = tuple(_LETTERS),
    members: Sequence[str] = tuple(_LETTERS),
    properties: Sequence[Sequence[str]] = (tuple(_LETTERS),),
    forms: Sequence[str] = ("property",),
    rules: int = 2,
    steps: int = 1,
) -> Iterator[Content]:
    """``All A are P. All B are Q.``, and what members of A or of B are then.

    ``rules`` chains lead from a class to a property in ``steps`` sentences each, in random order: slot
    ``rules``. The frame says that the members (``member``) are in a class (``middle``), which differs and
    belongs to one of the first two chains. With a single rule its property differs instead. Form
    ``property``: the answers are the properties of the two chains. Form ``denial``: the first two chains
    say ``All A are P`` and ``No B are P``, and the answers are yes and no to whether members are P
    (``property``). ``properties`` are groups of words, of which one group serves an item.
    """
    require_some("forms", forms, _FORMS)
    require_whole("rules", rules, 1, 4)
    require_whole("steps", steps, 1, 4)
    if "denial" in forms and rules < 2:
        raise ValueError("the form denial needs at least two rules")
    groups = [list(group) for group in properties]
    needed = max(rules, 2)
    if not groups or min(map(len, groups)) < needed or len(set(classes)) < rules * steps:
        raise ValueError(
            f"{rules} rules of {steps} steps need {rules * steps} classes, "
            f"and {needed} properties in each group"
        )
    if not members:
        raise ValueError("members has no entries")

    def draw() -> Content | None:
        form = dice.choice(forms)
        [member] = _some(dice, members, 1)
        group = [word for word in dice.choice(groups) if word != member]
        if len(group) < needed:
            return None
        ends = _some(dice, group, needed)
        free = [word for word in classes if word != member and word not in ends]
        if len(set(free)) < rules * steps:
            return None
        words = _some(dice, free, rules * steps)
        chains = [words[start : start + steps] for start in range(0, len(words), steps)]
        order = dice.shuffled(range(rules * steps))

        def premises(ends: Sequence[str]) -> str:
            sentences = []
            for number, (chain, end) in enumerate(zip(chains, ends, strict=True)):
                last = "No" if form == "denial" and number == 1 else "All"
                path = [*chain, end]
                sentences += [
                    f"{last if place == steps - 1 else 'All'} {path[place]} are {path[place + 1]}."
                    for place in range(steps)
                ]
            return " ".join(sentences[place] for place in order)

        if form == "denial":
            ends = [ends[0], ends[0], *ends[2:]]
        answers = ("yes", "no") if form == "denial" else (ends[0], ends[1])
        shared = {"member": member, "property": ends[0]}
        if rules == 1:
            sides = [
                {**shared, "rules": premises([end]), "middle": chains[0][0]} for end in ends[:2]
            ]
        else:
            sides = [
                {**shared, "rules": premises(ends), "middle": chain[0]} for chain in chains[:2]
            ]
        starts = [chain[0] for chain in chains]
        return Content(
            *sides,
            answers=answers,
            unit=f"{form}: {' '.join(sorted(starts[:2]))} {' '.join(sorted(ends[:2]))}",
            conditions={"form": form},
        )

    yield from endless(draw)


_SCHEMAS = ("ponens", "tollens", "disjunction", "conjunction", "connective")


_Make = Callable[[str], Content]


@generator(slots=("rules", "fact", "conclusion", "one", "other", "state"), conditions=("schema",))
def propositional(
    dice: Dice,
    *,
    subjects: Sequence[str] = (),
    states: Sequence[Sequence[str]] = (),
    opposites: Sequence[Sequence[str]] = (),
    schemas: Sequence[str] = _SCHEMAS,
    steps: int = 1,
) -> Iterator[Content]:
    """Premises in words about what things are like, and what follows.

    Slots: ``rules``, sentences; ``fact``, a clause; ``conclusion``, what follows, up to the answer. Schemas,
    with chains of ``steps`` conditionals:

    - ``ponens``: If the box is red, the lamp is on. If the box is blue, the lamp is off. The box is red.
    - ``tollens``: The same rules, but: The lamp is not on. So the box is not red.
    - ``disjunction``: The box is not red. The box is red or blue. (With ``steps`` + 1 alternatives.)
    - ``simplification``: The box is red and the bag is blue. So the bag is blue. The ``conclusion`` differs.
    - ``conjunction``: The box is open. The bag is closed. (``rules``.) Are both open?
    - ``connective``: The same rules; ``conclusion`` is ``the box is open and the bag is open``, or has
      ``or``; that word differs.

    For the last two ``one``, ``other`` and ``state`` are what is asked; ``opposites`` are their states.
    """
    require_some("schemas", schemas, (*_SCHEMAS, "simplification"))
    require_whole("steps", steps, 1, 4)
    if len(set(subjects)) < steps + 1:
        raise ValueError(
            f"{steps} steps need at least {steps + 1} subjects, found {len(set(subjects))}"
        )
    stated = {"ponens", "tollens", "disjunction", "simplification"} & set(schemas)
    if stated and (not states or min(len(set(group)) for group in states) < steps + 1):
        raise ValueError(
            f"the schemas {', '.join(sorted(stated))} need states: groups of {steps + 1} words or more"
        )
    asked = set(schemas) - stated
    if asked and (not opposites or any(len(set(pair)) != 2 for pair in opposites)):
        raise ValueError(f"the schemas {', '.join(sorted(asked))} need opposites: pairs of words")

    def conditional(schema: str) -> Content:
        things = _some(dice, subjects, steps + 1)
        groups = _spread(dice, states, steps + 1)
        pairs = [_some(dice, group, 2) for group in groups]
        links = [
            f"If the {things[place]} is {pairs[place][branch]}, "
            f"the {things[place + 1]} is {pairs[place + 1][branch]}."
            for branch in (0, 1)
            for place in range(steps)
        ]
        rules = " ".join(dice.shuffled(links))
        given, wanted, is_ = (0, steps, "is") if schema == "ponens" else (steps, 0, "is not")
        sides = [
            _side(rules, f"the {things[given]} {is_} {word}", f"the {things[wanted]} {is_}")
            for word in pairs[given]
        ]
        unit = f"{schema}: {_name(pairs[given])} {_name(pairs[wanted])}"
        return Content(*sides, tuple(pairs[wanted]), unit, {"schema": schema})

    def disjunction(schema: str) -> Content:
        [thing] = _some(dice, subjects, 1)
        words = _some(dice, dice.choice(states), steps + 1)
        listed = dice.shuffled(words)
        out = "".join(f"The {thing} is not {word}. " for word in words[2:])
        rules = f"{out}The {thing} is {', '.join(listed[:-1])} or {listed[-1]}."
        sides = [
            _side(rules, f"the {thing} is not {word}", f"the {thing} is")
            for word in (words[1], words[0])
        ]
        unit = f"{schema}: {_name(words[:2])} {thing}"
        return Content(*sides, (words[0], words[1]), unit, {"schema": schema})

    def simplification(schema: str) -> Content:
        things = _some(dice, subjects, steps + 1)
        words = _some(dice, dice.choice(states), steps + 1)
        parts = [f"the {thing} is {word}" for thing, word in zip(things, words, strict=True)]
        listed = dice.shuffled(parts)
        rules = (
            f"The{listed[0][3:]}{''.join(', ' + part for part in listed[1:-1])} and {listed[-1]}."
        )
        sides = [_side(rules, "", f"the {thing} is") for thing in things[:2]]
        unit = f"{schema}: {_name(words[:2])} {_name(things[:2])}"
        return Content(*sides, (words[0], words[1]), unit, {"schema": schema})

    def truth(schema: str) -> Content:
        one, other = _some(dice, subjects, 2)
        state, opposite = _some(dice, dice.choice(opposites), 2)
        if schema == "conjunction":
            values, words = [(state, state), (state, opposite)], ("and", "and")
            if dice.below(2):
                values = [(second, first) for first, second in values]
        else:
            pair = (state, opposite) if dice.below(2) else (opposite, state)
            values, words = [pair, pair], ("or", "and")
        sides = [
            {
                "rules": f"The {one} is {first}. The {other} is {second}.",
                "fact": "",
                "conclusion": f"the {one} is {state} {word} the {other} is {state}",
                "one": one,
                "other": other,
                "state": state,
            }
            for (first, second), word in zip(values, words, strict=True)
        ]
        unit = f"{schema}: {_name((one, other))} {state}"
        return Content(*sides, ("yes", "no"), unit, {"schema": schema})

    make = dict(zip(_SCHEMAS, (conditional, conditional, disjunction, truth, truth), strict=True))
    yield from _by_schema(dice, schemas, make | {"simplification": simplification})


def _side(rules: str, fact: str, conclusion: str) -> dict[str, str]:
    """The slots of ``propositional`` where nothing is asked."""
    asked = {"one": "", "other": "", "state": ""}
    return {"rules": rules, "fact": fact, "conclusion": conclusion, **asked}


@generator(slots=("rules", "fact", "formulas", "conclusion"), conditions=("schema",))
def propositional_symbolic(
    dice: Dice,
    *,
    letters: Sequence[str] = tuple(_LETTERS),
    schemas: Sequence[str] = _SCHEMAS,
    steps: int = 1,
) -> Iterator[Content]:
    """The schemas of ``propositional``, but for simplification, with letters.

    Slots: ``rules`` (If P holds, so does Q.) and ``fact`` (P holds); ``formulas`` is both in signs (P -> Q,
    P). ``conclusion`` is what follows up to the answer, a letter (empty, or ``not`` after ``tollens``), or
    the compound (``P and Q``) whose value is asked, after ``conjunction`` (with ``and`` or ``or``; a value
    differs) and ``connective`` (which of these differs); then the answers are true and false, and ``fact``
    is empty. ``steps`` is the length of the chains; the other schemas have ``steps`` + 1 letters.
    """
    require_some("schemas", schemas, _SCHEMAS)
    require_whole("steps", steps, 1, 4)
    if len(set(letters)) < 2 * (steps + 1):
        raise ValueError(f"{steps} steps need at least {2 * (steps + 1)} letters")

    def side(rules: Sequence[str], fact: str, formulas: Sequence[str], conclusion: str) -> dict:
        slots = {"rules": " ".join(rules), "fact": fact, "formulas": ", ".join(formulas)}
        return {**slots, "conclusion": conclusion}

    def conditional(schema: str) -> Content:
        names = _some(dice, letters, 2 * (steps + 1))
        chains = names[: steps + 1], names[steps + 1 :]
        links = dice.shuffled(
            [(chain[place], chain[place + 1]) for chain in chains for place in range(steps)]
        )
        words = [f"If {left} holds, so does {right}." for left, right in links]
        signs = [f"{left} -> {right}" for left, right in links]
        given, wanted, not_ = (0, -1, "") if schema == "ponens" else (-1, 0, "not ")
        holds = "does not hold" if not_ else "holds"
        sides = [
            side(words, f"{chain[given]} {holds}", [*signs, f"{not_}{chain[given]}"], not_.rstrip())
            for chain in chains
        ]
        answers = (chains[0][wanted], chains[1][wanted])
        unit = f"{schema}: {_name([chain[given] for chain in chains])} {_name(answers)}"
        return Content(*sides, answers, unit, {"schema": schema})

    def disjunction(schema: str) -> Content:
        names = _some(dice, letters, steps + 1)
        listing = " or ".join(dice.shuffled(names))
        out = names[2:]
        sides = [
            side(
                [*(f"{name} does not hold." for name in out), f"{listing} holds."],
                f"{gone} does not hold",
                [*(f"not {name}" for name in [gone, *out]), listing],
                "",
            )
            for gone in (names[1], names[0])
        ]
        unit = f"{schema}: {_name(names[:2])}"
        return Content(*sides, (names[0], names[1]), unit, {"schema": schema})

    def truth(schema: str) -> Content:
        names = _some(dice, letters, steps + 1)
        if schema == "conjunction":
            words = ("and", "and") if dice.below(2) else ("or", "or")
            # The other values are those that leave the decision to the one that differs.
            values = [["true" if words[0] == "and" else "false"] * len(names) for _ in range(2)]
            place = dice.below(len(names))
            values[0][place], values[1][place] = "true", "false"
        else:
            words = ("or", "and")
            values = [dice.shuffled(["true"] + ["false"] * steps)] * 2
        sides = [
            side(
                [f"{name} is {value}." for name, value in zip(names, row, strict=True)],
                "",
                [f"{name} = {value}" for name, value in zip(names, row, strict=True)],
                f" {word} ".join(names),
            )
            for row, word in zip(values, words, strict=True)
        ]
        unit = f"{schema} {words[0]}: {_name(names)}"
        return Content(*sides, ("true", "false"), unit, {"schema": schema})

    make = dict(zip(_SCHEMAS, (conditional, conditional, disjunction, truth, truth), strict=True))
    yield from _by_schema(dice, schemas, make)


def _by_schema(dice: Dice, schemas: Sequence[str], make: Mapping[str, _Make]) -> Iterator[Content]:
    """Contents of ``schemas``, each drawn with equal chance and made by its own function."""

    def draw() -> Content:
        schema = dice.choice(schemas)
        return make[schema](schema)

    yield from endless(draw)


def _name(words: Sequence[str]) -> str:
    """One name for words, whatever their order."""
    return "/".join(sorted(words))


def _some(dice: Dice, words: Sequence[str], count: int) -> list[str]:
    """``count`` different words."""
    return dice.shuffled(list(dict.fromkeys(words)))[:count]


def _spread(dice: Dice, groups: Sequence[Sequence[str]], count: int) -> list[Sequence[str]]:
    """``count`` groups: different ones while there are enough."""
    found: list[Sequence[str]] = []
    while len(found) < count:
        found += dice.shuffled(groups)
    return found[:count]
