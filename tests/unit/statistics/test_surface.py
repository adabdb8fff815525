"""What tasks share on the surface, counted by hand."""

import pytest

from brodmann.statistics.surface import (
    SIMILARITIES,
    Surface,
    similarity,
    similarity_table,
    surface,
    surface_format,
)
from brodmann.tasks.items import Item


def plain(**changes):
    values = {
        "answers": frozenset(),
        "final_tokens": {},
        "tokens": frozenset(),
        "format": "statement",
    }
    return Surface(**(values | changes))


def test_a_surface_by_hand():
    items = [
        Item("He sees", "She sees", " Him", "her "),
        Item("They see", "We see", "him", None),
        Item("I see", "You see", "us", ""),
    ]
    found = surface(items, [[1, 2, 9], [1, 3, 9], [4, 9], [5, 8], []])
    assert found.answers == {"him", "her", "us"}
    assert found.final_tokens == {9: 0.75, 8: 0.25}
    assert found.tokens == {1, 2, 3, 4, 5, 8, 9}
    assert found.format == "statement"


def test_similarities_by_hand():
    a = plain(
        answers=frozenset({"yes", "no", "him"}),
        final_tokens={1: 0.5, 2: 0.3, 3: 0.2},
        tokens=frozenset({1, 2, 3, 4}),
        format="options",
    )
    b = plain(
        answers=frozenset({"yes", "no"}),
        final_tokens={1: 0.1, 2: 0.6, 4: 0.3},
        tokens=frozenset({3, 4, 5}),
        format="options",
    )
    found = similarity(a, b)
    assert tuple(found) == SIMILARITIES
    assert found["answer_vocabulary"] == pytest.approx(2 / 3)
    assert found["final_token"] == pytest.approx(0.1 + 0.3)
    assert found["prompt_tokens"] == pytest.approx(2 / 5)
    assert found["same_format"] == 1
    assert similarity(b, a) == pytest.approx(found)
    assert list(similarity(a, a).values()) == pytest.approx([1, 1, 1, 1])


def test_nothing_in_common_and_nothing_at_all_is_zero():
    a = plain(answers=frozenset("x"), final_tokens={1: 1.0}, tokens=frozenset({1}))
    b = plain(answers=frozenset("y"), final_tokens={2: 1.0}, tokens=frozenset({2}), format="lines")
    assert set(similarity(a, b).values()) == {0.0}
    assert list(similarity(plain(), plain()).values()) == [0, 0, 0, 1]


def test_the_table_has_every_ordered_pair():
    surfaces = {name: plain(format=name, tokens=frozenset({1})) for name in "abc"}
    table = similarity_table(surfaces)
    pairs = list(zip(table["source"], table["target"], strict=True))
    assert pairs == [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")]
    assert (table["source_format"] == table["source"]).all()
    assert (table["prompt_tokens"] == 1).all() and (table["same_format"] == 0).all()
    assert list(similarity_table({})) == list(table)


SHOTS = "Examples come first, then the case.\n"


@pytest.mark.parametrize(
    ("prompts", "answers", "expected"),
    [
        (["the dog near the cats", "those dogs near the cat"], ("runs", "run"), "statement"),
        (
            ["Is it hot or cold?\nThe sun is", "Is it hot or cold?\nIce is"],
            ("hot", "cold"),
            "options+lines",
        ),
        (["Who is there?", "Which one is it?"], ("me", "you"), "question"),
        (["12 + 30 =", "45 - 17 ="], ("42", "28"), "symbols"),
        ([SHOTS + "a cat sits", SHOTS + "two cats sit"], ("on", "in"), "preamble+lines"),
        ([SHOTS + "3 + 4 =", SHOTS + "5 + 9 ="], ("7", "14"), "preamble+symbols"),
    ],
    ids=["statement", "options", "question", "symbols", "preamble", "both"],
)
def test_formats(prompts, answers, expected):
    clean, corrupted = prompts
    items = [Item(clean, corrupted, *answers), Item(corrupted, clean, *answers)]
    if expected == "preamble+lines":
        # The line break belongs to what all prompts start with.
        assert surface_format(items) in ("preamble+lines", "preamble")
    elif expected == "preamble+symbols":
        assert surface_format(items) in ("preamble+symbols", "preamble+lines+symbols")
    else:
        assert surface_format(items) == expected


def test_a_task_without_items_has_a_format_all_the_same():
    assert surface_format([]) == "statement"
    assert surface([], []) == plain()
