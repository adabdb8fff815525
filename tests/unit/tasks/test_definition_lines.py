"""Mistakes in task files that are rarer than those of test_task_definition.py: the whole line of each."""

import pytest

from brodmann.errors import UserError
from brodmann.tasks.definition import parse_definition

WORDS = {
    "description": "d",
    "measures": "m",
    "lexicon": {"noun": {"forms": ["one", "many"], "entries": [["dog", "dogs"], ["cat", "cats"]]}},
    "contrast": {"subject": ["{noun.one}", "{noun.many}"]},
    "answers": ["is", "are"],
    "frames": [{"text": "The {subject}"}],
}
SUMS = {
    "description": "d",
    "measures": "m",
    "generator": {"function": "arithmetic", "args": {"high": 9}},
    "frames": [{"text": "{expression} ="}],
}
ITEM = {"text": {"clean": "one dog", "corrupted": "two dogs"}}
ITEMS = {**{key: WORDS[key] for key in ("description", "measures", "answers")}, "items": [ITEM]}


def lines(raw):
    """What is wrong, without the name of the file."""
    with pytest.raises(UserError) as error:
        parse_definition(raw, "t.yaml")
    said = [str(problem) for problem in error.value.problems]
    assert all(line.startswith("t.yaml: ") for line in said)
    return [line.removeprefix("t.yaml: ") for line in said]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (None, "the file is empty"),
        (["a"], "must be a mapping, found a list"),
        (
            {**WORDS, "lexicon": {**WORDS["lexicon"], "Town": ["Lima"]}},
            "lexicon.Town: a name is made of letters, digits and _, its first one small",
        ),
        (
            {**WORDS, "lexicon": {**WORDS["lexicon"], "my town": ["Lima"]}},
            "lexicon.my town: a name is made of letters, digits and _, its first one small",
        ),
        (
            {**ITEMS, "generator": SUMS["generator"], "answers": None},
            "items: a task has either items or a generator (remove one of them)",
        ),
        ({**WORDS, "units": "noun"}, "units: must be a list of slots, found text"),
        (
            {**WORDS, "frames": [{"chat": "The {subject}"}]},
            "frames[0].completion: missing (write completion, or text for both)",
        ),
        (
            {**ITEMS, "items": [{"text": {"clean": "one", "corrupted": "one"}}]},
            "items[0].text: clean equals corrupted: 'one'",
        ),
        (
            {**SUMS, "answers": ["1", "2"]},
            "answers: the generator makes the answers (remove answers)",
        ),
        (
            {**WORDS, "answers": ["is"]},
            "answers: must be a list of two: right after clean, right after corrupted",
        ),
        (
            {**WORDS, "answers": ["is  not", "is not"]},
            "answers: the answers differ only in white space: 'is  not', 'is not'",
        ),
        (
            {**SUMS, "generator": {"function": "arithmetik"}, "frames": [{"text": "1 + 1 ="}]},
            "generator.function: no generator 'arithmetik' (did you mean 'arithmetic'?)",
        ),
        ({**SUMS, "generator": {}}, "generator.function: missing"),
        (
            {**WORDS, "constraints": {"distinct": "noun"}},
            "constraints.distinct: must be a list of pairs, found text",
        ),
        (
            {**WORDS, "constraints": {"distinct": [["no un", "noun"]]}},
            "constraints.distinct[0]: '{no un}' is not a slot; write {slot} or {slot.form}",
        ),
        (
            {
                **WORDS,
                "lexicon": {"noun": {"forms": ["one", "many"], "entries": [["dog", 2], ["cat", 3]]}},
            },
            "contrast.subject: {noun.many} is a number (put it in quotes in the lexicon)",
        ),
        (
            {**WORDS, "lexicon": {"noun": {"forms": "one", "entries": ["dog"]}}},
            "lexicon.noun.forms: must be a list of names",
        ),
        (
            {
                **ITEMS,
                "lexicon": {"town": ["Lima", "Lagos"]},
                "items": [{"text": {"clean": "one in {town}", "corrupted": "two in {town}"}}],
            },
            "items[0]: an item has no slots, found {town} (write frames instead of items)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line(raw, line):
    assert line in lines(raw)


def test_a_task_of_a_single_answer_has_one():
    single = {**ITEMS, "single_answer": True, "answer": "dog"}
    del single["answers"]
    found = parse_definition(single, "t.yaml")
    assert [one.text for frame in found.frames for one in frame.answers] == ["dog"]
    assert "items[0].answer: missing" in lines({**single, "answer": None})


def test_an_item_may_name_its_unit():
    """Else each item is one of its own."""
    named = {
        **ITEMS,
        "items": [{**ITEM, "unit": "dogs"}, {"text": {"clean": "a", "corrupted": "b"}}],
    }
    assert [frame.unit for frame in parse_definition(named, "t.yaml").frames] == [
        "dogs",
        "items[1]",
    ]
