"""Logic tasks: what a prompt says is read again, and a small model checker decides what follows from it.

The right answer must hold in every model of the premises, and the wrong one must fail in some: for
syllogisms in all models with up to three individuals, for propositions under all assignments.
"""

import re
from functools import cache
from itertools import combinations, islice, product

import pytest

from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.dice import Dice
from brodmann.tasks.expand import expand
from brodmann.tasks.generators import generators

ITEMS = 300
LEVELS = ["default", "easy", "hard"]


def each_side(root, name, level):
    """(prompt, right answer, wrong answer) of both sides of all items, in both wordings."""
    task = f"formal/{name}"
    definition = load_definition(task_path(root / "data", task), level)
    items = expand(task, definition, seed=0, count=ITEMS if level == "default" else 60)
    for pairs in items.wordings.values():
        for item in pairs:
            right, wrong = item.correct.strip(), item.incorrect.strip()
            yield item.clean_prompt, right, wrong
            yield item.corrupted_prompt, wrong, right


# Syllogisms: a statement is (quantifier, class, class)

STATEMENT = re.compile(r"\b(All|Some|The|No) (\w+) are (\w+)(?=[.,])", re.IGNORECASE)


def holds(statement, world):
    quantifier, left, right = statement
    found = [kind[right] for kind in world if kind[left]]
    return {"all": all(found), "some": any(found), "no": not any(found)}[quantifier]


@cache
def entails(premises, conclusion, exists):
    """Whether it holds in all models with one to three individuals; ``exists`` is a class that is not empty.

    An individual is the tuple of the classes that it is in or not. How often one occurs does not matter for
    these statements, and none may break a premise with all or no by itself.
    """
    terms = 1 + max(term for _, *pair in (*premises, conclusion) for term in pair)
    general = [premise for premise in premises if premise[0] != "some"]
    kinds = [
        kind
        for kind in product((False, True), repeat=terms)
        if all(holds(premise, [kind]) for premise in general)
    ]
    return all(
        holds(conclusion, world)
        for size in (1, 2, 3)
        for world in combinations(kinds, size)
        if any(kind[exists] for kind in world)
        and all(holds(premise, world) for premise in premises)
    )


def follows(premises, conclusion):
    """Entailment with terms as numbers, so that equal forms are decided once."""
    statements = [*premises, conclusion]
    terms = list(dict.fromkeys(term for _, *pair in statements for term in pair))
    *numbered, last = (
        (quantifier, terms.index(left), terms.index(right))
        for quantifier, left, right in statements
    )
    return entails(tuple(numbered), last, last[1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["logic_syllogism", "logic_syllogism_symbolic"])
def test_syllogisms_are_valid(root, name, level):
    for prompt, right, wrong in each_side(root, name, level):
        text = (
            prompt.split("\n")[-1]
            if prompt.count("Are ") > 2 or "so they are" in prompt
            else prompt
        )
        found = list(STATEMENT.finditer(text))
        read = [match.groups() for match in found]
        premises = [("all" if q == "The" else q.lower(), left, end) for q, left, end in read]
        quantifier, member, _ = premises[-1]
        assert sum(member in statement for statement in premises) == 1, prompt
        asked = re.search(rf"Are (?:they|{member}) (\w+)(?:, yes or no)?\?", text)
        if asked and {right, wrong} == {"yes", "no"}:
            verdict = {"yes": ("all", member, asked[1]), "no": ("no", member, asked[1])}
        else:
            verdict = {word: (quantifier, member, word) for word in (right, wrong)}
            assert re.search(rf"\b(they|{member})\b", text[found[-1].end() :]), prompt
        assert follows(premises, verdict[right]), prompt
        assert not follows(premises, verdict[wrong]), prompt


def test_the_checker_knows_valid_and_invalid_syllogisms():
    barbara = [("all", "m", "p"), ("all", "s", "m")]
    assert follows(barbara, ("all", "s", "p")) and follows(barbara, ("some", "s", "p"))
    assert not follows(barbara, ("all", "p", "s"))
    celarent = [("no", "m", "p"), ("all", "s", "m")]
    assert follows(celarent, ("no", "s", "p")) and not follows(celarent, ("some", "s", "p"))
    assert not follows([("some", "m", "p"), ("all", "s", "m")], ("some", "s", "p"))
    undistributed = [("all", "p", "m"), ("all", "s", "m")]
    assert not follows(undistributed, ("some", "s", "p"))


# Propositions: formulas are nested tuples, or an atom


def value(formula, true):
    if isinstance(formula, str):
        return formula in true
    operator, *parts = formula
    values = [value(part, true) for part in parts]
    if operator == "not":
        return not values[0]
    return {"and": all(values), "or": any(values), "if": not values[0] or values[-1]}[operator]


def atoms(formula):
    return {formula} if isinstance(formula, str) else set().union(*map(atoms, formula[1:]))


def proves(premises, conclusion):
    names = sorted(set().union(*map(atoms, [*premises, conclusion])))
    for bits in product((False, True), repeat=len(names)):
        true = {name for name, bit in zip(names, bits, strict=True) if bit}
        if all(value(premise, true) for premise in premises) and not value(conclusion, true):
            return False
    return True


OPPOSITES = [{"dirty", "clean"}, {"wet", "dry"}, {"old", "new"}, {"big", "small"}, {"hot", "cold"}]
OPPOSITES += [{"heavy", "light"}]


def clause(text):
    """``the box is (not) red``, ``the box is red, blue or green``, or clauses joined by and / or."""
    text = text.strip().rstrip(".").lower()
    if joined := re.fullmatch(
        r"(the \w+ is \w+)((?:, the \w+ is \w+)*) (and|or) (the \w+ is \w+)", text
    ):
        first, middle, operator, last = joined.groups()
        parts = [first, *filter(None, middle.split(", ")), last]
        return (operator, *map(clause, parts))
    found = re.fullmatch(r"the (\w+) is (not )?([\w, ]+)", text)
    assert found, text
    subject, negated, states = found.groups()
    formulas = [f"{subject} {state}" for state in re.split(r", | or ", states)]
    formula = formulas[0] if len(formulas) == 1 else ("or", *formulas)
    assert all(len(part.split()) == 2 for part in formulas), text
    return ("not", formula) if negated else formula


def read_words(text):
    """The premises of a text, in order, and what is left of it after them."""
    state = r"(?:not )?\w+(?:(?:, \w+)* or \w+)?"
    one = rf"the \w+ is {state}"
    every = r"the \w+ is \w+(?:, the \w+ is \w+)* and the \w+ is \w+"
    pattern = (
        r"If (?P<if>the \w+ is \w+), (?P<then>the \w+ is \w+)\."
        rf"|if (?P<given>{one})\?"
        # A clause after that, and, or belongs to what is asked.
        rf"|(?<!that )(?<!and )(?<!or )(?P<plain>{every}|{one})(?=[.,])"
    )
    premises, end = [], 0
    for found in re.finditer(pattern, text, re.IGNORECASE):
        if found["if"]:
            premises.append(("if", clause(found["if"]), clause(found["then"])))
        else:
            premises.append(clause(found["given"] or found["plain"]))
        end = found.end()
    return premises, text[end:]


def truths(right, wrong, positive, negative):
    """What the two answers say of a formula."""
    said = {positive: lambda formula: formula, negative: lambda formula: ("not", formula)}
    assert {right, wrong} == {positive, negative}
    return said[right], said[wrong]


@pytest.mark.parametrize("level", LEVELS)
def test_propositions_in_words(root, level):
    for prompt, right, wrong in each_side(root, "logic_propositional", level):
        # Solved examples stand on the lines before.
        text = prompt if prompt.startswith("Question") else prompt.split("\n")[-1]
        premises, rest = read_words(text)
        if {right, wrong} == {"yes", "no"}:
            two = re.search(r"[bB]oth the (\w+) and the (\w+) (\w+)\?", rest)
            asked = (
                clause(f"the {two[1]} is {two[3]} and the {two[2]} is {two[3]}")
                if two
                else clause(re.search(r"(the \w+ is \w+ (?:and|or) the \w+ is \w+)[?,]", rest)[1])
            )
            exclusive = [
                ("not", ("and", *(f"{subject} {state}" for state in pair)))
                for pair in OPPOSITES
                for subject in {atom.split()[0] for atom in atoms(asked)}
            ]
            # Only the opposites that are mentioned matter.
            mentioned = set().union(*map(atoms, premises))
            premises += [rule for rule in exclusive if atoms(rule) & mentioned]
            says, denies = truths(right, wrong, "yes", "no")
            assert proves(premises, says(asked)), prompt
            assert not proves(premises, denies(asked)), prompt
            continue
        stem = re.findall(r"the \w+ is(?: not)?(?= \.\.\.|$)", rest, re.IGNORECASE)
        assert len(stem) == 1, (prompt, rest)
        assert proves(premises, clause(f"{stem[0]} {right}")), prompt
        assert not proves(premises, clause(f"{stem[0]} {wrong}")), prompt


def formula(text):
    """``P``, ``not P``, ``P -> Q``, ``P and Q``, ``P or Q or R``, ``P = true``."""
    text = text.strip()
    if " -> " in text:
        return ("if", *map(formula, text.split(" -> ")))
    for operator in ("and", "or"):
        if f" {operator} " in text:
            return (operator, *map(formula, text.split(f" {operator} ")))
    if text.startswith("not "):
        return ("not", formula(text[4:]))
    name, _, truth = text.partition(" = ")
    assert re.fullmatch("[A-Z]", name), text
    return ("not", name) if truth == "false" else name


def read_letters(text):
    """The premises in a text with letters."""
    rules = [
        ("if", left, right) for left, right in re.findall(r"If (\w) holds, so does (\w)\.", text)
    ]
    if not rules and not re.search(r"\bholds?\b", text):
        listed = re.search(
            r"((?:not |[A-Z] -> |[A-Z] or |[A-Z] = )?[A-Z\w]+(?: or [A-Z])*"
            r"(?:, (?:not |[A-Z] -> |[A-Z] = )?\w+(?: or [A-Z])*)+)(?= =>|$|\n|\.|\?)",
            text,
        )
        return [formula(part) for part in listed[1].split(", ")]
    text = re.sub(r"If \w holds, so does \w\.", "", text)
    premises = [formula(part) for part in re.findall(r"(\w(?: or \w)+) holds", text)]
    text = re.sub(r"\w(?: or \w)+ holds", "", text)
    premises += [("not", name) for name in re.findall(r"\b([A-Z]) does not hold\b", text)]
    premises += re.findall(r"\b([A-Z]) holds\b", text)
    return rules + premises


@pytest.mark.parametrize("level", LEVELS)
def test_propositions_with_letters(root, level):
    for prompt, right, wrong in each_side(root, "logic_propositional_symbolic", level):
        text = re.sub(r" Answer with \w+ or \w+ only\.$", "", prompt)
        if "\n\n" in text:
            text = text.rpartition("\n\n")[2]
        elif not text.startswith("Question"):
            text = text.rpartition("\n")[2]
        premises = read_letters(text)
        assert len(premises) >= 2, prompt
        if {right, wrong} == {"true", "false"}:
            compound = re.search(r"\b[A-Z](?: (?:and|or) [A-Z])+\b", text)[0]
            says, denies = truths(right, wrong, "true", "false")
            assert proves(premises, says(formula(compound))), prompt
            assert not proves(premises, denies(formula(compound))), prompt
            continue
        negated = re.search(r"=> not|neither does|does not hold either", text)
        conclusions = [("not", name) if negated else name for name in (right, wrong)]
        assert proves(premises, conclusions[0]), (prompt, premises)
        assert not proves(premises, conclusions[1]), (prompt, premises)


def test_the_prover_knows_what_follows():
    rule = ("if", "P", "Q")
    assert proves([rule, "P"], "Q") and proves([rule, ("not", "Q")], ("not", "P"))
    assert not proves([rule, "Q"], "P") and not proves([rule, ("not", "P")], ("not", "Q"))
    assert proves([("or", "P", "Q"), ("not", "P")], "Q") and not proves(
        [("or", "P", "Q"), "P"], "Q"
    )


# The generators themselves

WORDS = {
    "subjects": ["box", "bag", "cup", "door", "lamp", "hat"],
    "states": [["red", "blue", "green", "black", "white"], ["old", "new", "big", "wet", "hot"]],
    "opposites": [["hot", "cold"]],
}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("syllogism", {"forms": ["modal"]}, "forms must be some of property, denial"),
        ("syllogism", {"rules": 0}, "rules must be a whole number from 1 to 4"),
        ("syllogism", {"forms": ["denial"], "rules": 1}, "at least two rules"),
        ("syllogism", {"classes": ["cats"]}, "2 classes, and 2 properties"),
        ("syllogism", {"properties": []}, "2 properties in each group"),
        ("syllogism", {"members": []}, "members has no entries"),
        ("propositional", {**WORDS, "schemas": ["induction"]}, "schemas must be some of ponens"),
        ("propositional", {**WORDS, "steps": True}, "steps must be a whole number"),
        ("propositional", {**WORDS, "subjects": ["box"]}, "1 steps need at least 2 subjects"),
        ("propositional", {**WORDS, "states": []}, "need states"),
        ("propositional", {**WORDS, "opposites": [["hot"]]}, "need opposites"),
        ("propositional_symbolic", {"letters": ["P", "Q"]}, "at least 4 letters"),
        ("propositional_symbolic", {"schemas": []}, "schemas must be"),
    ],
)
def test_arguments_that_cannot_be(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        next(generators()[name].contents(Dice(0), arguments))


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("name", ["propositional", "propositional_symbolic"])
def test_every_schema_gives_contents(name, steps):
    generator = generators()[name]
    schemas = [*generator.arguments["schemas"].default]
    schemas += ["simplification"] * (name == "propositional")
    for schema in schemas:
        given = {"schemas": [schema], "steps": steps} | (WORDS if name == "propositional" else {})
        for content in islice(generator.contents(Dice(1), given), 20):
            assert content.conditions == {"schema": schema}
            assert content.answers[0] != content.answers[1] and content.clean != content.corrupted
