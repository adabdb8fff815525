"""Tokens and nodes that plans count, against real tokenizers and against trees built the plain way."""

import random

import pytest

from brodmann.runner.encode import EncodedItem
from brodmann.runner.lengths import Lengths, guessed, nodes
from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.vocabularies import reference_vocabularies


def naive(rows):
    """All different beginnings of the rows."""
    return len({row[:end] for row in rows for end in range(1, len(row) + 1)})


def test_nodes_are_the_different_beginnings():
    dice = random.Random(0)
    for _ in range(50):
        rows = [
            tuple(dice.choices(range(3), k=dice.randrange(1, 6))) for _ in range(dice.randrange(9))
        ]
        assert nodes(rows) == naive(rows)


def test_an_item_adds_what_no_other_has():
    """Prompts of ten tokens that begin alike, two of their own and one that all end with."""
    items = [
        EncodedItem((*range(10), n, 100 + n, 7), (*range(10), n, 200 + n, 7), (1, 2), (1, 3, 4))
        for n in range(20)
    ]
    found = Lengths.of(items)
    assert (found.header, found.whole, found.rest) == (10, 13, 2)
    assert (found.read, found.one) == (1 + 2 * 2, 3)
    # Of the answers' 2 and 3 tokens the last are not run, and the first is the same.
    assert found.tail == 2
    assert found.asked() == 3 + 2 and found.asked(both=True) == 5 + 2 * 2
    assert (found.scored(), found.scored(both=True), found.changed) == (3, 6, 4)
    every = [row for i in items for row in (i.clean, i.corrupted)]
    assert found.header + len(items) * found.read == naive(every)
    # Where nothing is gone on from, a row for each answer of each prompt.
    assert found.alone.read == 4 * 13 and found.alone.changed == 2 * 13 + 2


def test_items_with_one_answer_are_two_texts():
    items = [EncodedItem((1, n, 3), (2, n, 3), (5, 6), None) for n in range(8)]
    found = Lengths.of(items)
    assert found.single and found.asked() == found.read + 2
    assert found.changed == 2 * (3 + 1) and found.scored() == found.asked()


def test_tokens_are_guessed_about_as_tokenizers_make_them(root):
    """Prompts of a task of every domain: no vocabulary that is at hand makes many more, or far fewer."""
    vocabularies = reference_vocabularies()
    if len(vocabularies) < 2:
        pytest.skip("the packages of locks/tokenizers.txt are not installed (make setup-dev)")
    tasks = (
        "language/hypernymy",
        "formal/code_list",
        "physical/buoyancy",
        "social/social_relations",
    )
    for task in tasks:
        items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=20)
        for own in items.wordings.values():
            texts = [item.clean_prompt for item in own]
            mine = sum(len(guessed(text)) for text in texts)
            for encode in vocabularies.values():
                assert 0.9 < mine / sum(len(encode(text)) for text in texts) < 1.5
