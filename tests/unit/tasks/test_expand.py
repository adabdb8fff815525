"""Expansion: balance, constraints, listed options, draws without replacement."""

import shutil
from itertools import product

import pytest
import yaml

from brodmann.commands.audit import audits, problems
from brodmann.errors import UserError
from brodmann.tasks.catalogue import LEXICON_FOLDER, list_tasks, task_path
from brodmann.tasks.definition import load_definition, parse_definition
from brodmann.tasks.dice import Dice
from brodmann.tasks.domains import domains_in
from brodmann.tasks.expand import expand
from brodmann.tasks.generators import numbers
from brodmann.tasks.vocabularies import reference_vocabularies

ANIMALS = [
    {"name": name, "speed": speed, "kind": kind}
    for name, speed, kind in [
        ("snail", 1, "small"),
        ("hen", 3, "small"),
        ("cow", 4, "large"),
        ("horse", 8, "large"),
    ]
]
COMPARISON = {
    "description": "d",
    "measures": "m",
    "prompt": {"chat": {"suffix": "Say {correct_answer} or {incorrect_answer}."}},
    "lexicon": {"animal": ANIMALS},
    "slots": {"other": "animal"},
    "constraints": {"less": [["animal.speed", "other.speed"]]},
    "contrast": {"question": ["faster", "slower"]},
    "answers": ["{other.name}", "{animal.name}"],
    "frames": [{"text": "A {animal.name} or a {other.name}: the {question} one is the"}],
}


def comparison(**changes):
    return parse_definition({**COMPARISON, **changes}, "t.yaml")


def options(prompt):
    first, _, second = prompt.rpartition("Say ")[2].rstrip(".").partition(" or ")
    return first, second


def test_all_combinations_once_and_no_others():
    items = expand("physical/t", comparison(), seed=0, count=100)
    expected = {
        frozenset((slow["name"], fast["name"]))
        for slow, fast in product(ANIMALS, ANIMALS)
        if slow["speed"] < fast["speed"]
    }
    found = [frozenset((i.correct, i.incorrect)) for i in items.wordings["chat"]]
    assert len(found) == len(set(found)) == 6 and set(found) == expected
    assert items.metadata["note"] == "the material gives 6 items; 100 were asked for"


def test_the_answer_is_the_right_one_on_both_sides():
    speed = {animal["name"]: animal["speed"] for animal in ANIMALS}
    for item in expand("physical/t", comparison(), seed=1).wordings["chat"]:
        best = max if "faster" in item.clean_prompt else min
        assert item.correct == best((item.correct, item.incorrect), key=speed.get)
        assert ("faster" in item.clean_prompt) != ("faster" in item.corrupted_prompt)


@pytest.mark.parametrize(
    ("constraints", "allowed"),
    [
        ({"same": [["animal.kind", "other.kind"]]}, lambda a, b: a["kind"] == b["kind"]),
        ({"distinct": [["animal.kind", "other.kind"]]}, lambda a, b: a["kind"] != b["kind"]),
        ({"distinct": [["animal", "other"]]}, lambda a, b: a is not b),
    ],
)
def test_constraints(constraints, allowed):
    items = expand("physical/t", comparison(constraints=constraints), seed=0).wordings["chat"]
    expected = {
        (a["name"], b["name"]) for a, b in product(ANIMALS, ANIMALS) if allowed(a, b) and a is not b
    }
    words = [item.clean_prompt.replace(":", "").split() for item in items]
    assert {(text[1], text[4]) for text in words} == expected


def listing(task):
    """The task's items, and for each whether side 0 became the clean one and where its right option is."""
    definition = comparison(
        lexicon={"word": [f"w{number}" for number in range(60)]},
        slots={},
        constraints={},
        answers=["up", "down"],
        frames=[{"text": "{word} {question}"}],
    )
    items = expand(task, definition, seed=5, count=60).wordings["chat"]
    return [(item.correct, options(item.clean_prompt)[0] == item.correct) for item in items]


def test_every_even_beginning_is_balanced():
    roles = listing("social/t")
    for end in range(2, 61, 2):
        assert sum(correct == "up" for correct, _ in roles[:end]) == end / 2
        assert sum(first for _, first in roles[:end]) == end / 2
    for end in range(4, 61, 4):
        counts = {role: roles[:end].count(role) for role in product(("up", "down"), (True, False))}
        assert set(counts.values()) == {end / 4}


def test_both_prompts_list_the_options_in_one_order():
    for item in expand("physical/t", comparison(), seed=0).wordings["chat"]:
        assert options(item.clean_prompt) == options(item.corrupted_prompt)
        assert set(options(item.clean_prompt)) == {item.correct, item.incorrect}


def test_another_seed_in_the_file_or_the_run_or_another_name_draws_anew():
    first = expand("physical/t", comparison(), seed=0).wordings
    assert expand("physical/t", comparison(seed=1), seed=0).wordings != first
    assert expand("physical/t", comparison(), seed=1).wordings != first
    assert expand("physical/u", comparison(), seed=0).wordings != first


def test_the_items_of_a_seed_stay_what_they_are():
    """Recorded once: a change of the draws would change every published result."""
    items = expand("physical/t", comparison(), seed=0, count=2).wordings["completion"]
    assert [(item.clean_prompt, item.correct) for item in items] == [
        ("A hen or a horse: the faster one is the", " horse"),
        ("A snail or a horse: the slower one is the", " snail"),
    ]


def test_a_frame_that_gives_nothing_is_named():
    words = {"animal": ANIMALS, "plant": [{"name": "moss", "speed": 0}]}
    less = [["animal.speed", "other.speed"], ["animal.speed", "plant.speed"]]
    barren = {
        "text": "A {animal.name} or {plant.name}: the {question} one is the",
        "answers": ["{plant.name}", "{animal.name}"],
    }
    frames = [*COMPARISON["frames"], barren]
    with pytest.raises(UserError, match=r"t\.yaml: frames\[1\]: gives no item of its own"):
        definition = comparison(lexicon=words, constraints={"less": less}, frames=frames)
        expand("physical/t", definition, seed=0)


def test_constraints_that_exclude_everything():
    constraints = {"less": [["animal.speed", "animal.speed"]]}
    with pytest.raises(UserError, match="no item can be made"):
        expand("physical/t", comparison(constraints=constraints), seed=0)


def test_single_answers_keep_their_sides():
    raw = {key: value for key, value in COMPARISON.items() if key not in ("answers", "prompt")}
    raw |= {
        "single_answer": True,
        "answer": "fast",
        "contrast": {"which": ["{other.name}", "{animal.name}"]},
        "frames": [{"text": "The {which} is"}],
    }
    items = expand("physical/t", parse_definition(raw, "t.yaml"), seed=0)
    speed = {animal["name"]: animal["speed"] for animal in ANIMALS}
    for item in items.wordings["completion"]:
        assert (item.correct, item.incorrect) == (" fast", None)
        clean, corrupted = (text.split()[1] for text in (item.clean_prompt, item.corrupted_prompt))
        assert speed[clean] > speed[corrupted]


def test_capitals_nested_slots_and_literal_braces():
    raw = {
        **{key: COMPARISON[key] for key in ("description", "measures")},
        "lexicon": {
            "city": ["lima"],
            "event": [{"good": "won in {city}", "bad": "lost in {city}"}],
        },
        "contrast": {"what": ["{event.good}", "{event.bad}"]},
        "answers": ["glad", "sad"],
        "frames": [{"text": "{City} {{x}}: {what}"}],
    }
    [item] = expand("social/t", parse_definition(raw, "t.yaml"), seed=0).wordings["chat"]
    assert {item.clean_prompt, item.corrupted_prompt} == {
        "Lima {x}: won in lima",
        "Lima {x}: lost in lima",
    }


def test_explicit_items_keep_their_unit_and_take_turns_in_roles():
    raw = {
        **{key: COMPARISON[key] for key in ("description", "measures")},
        "answers": ["up", "down"],
        "items": [
            {"text": {"clean": f"a{n}", "corrupted": f"b{n}"}, "unit": f"u{n // 2}"}
            for n in range(4)
        ],
    }
    items = expand("social/t", parse_definition(raw, "t.yaml"), seed=0)
    assert sorted(items.groups) == ["u0", "u0", "u1", "u1"]
    assert {i.clean_prompt[0] + i.correct for i in items.wordings["chat"]} == {"aup", "bdown"}


def test_permutation_is_one_even_where_it_cannot_be_listed():
    assert sorted(Dice("x").permutation(50)) == list(range(50))
    huge = Dice("x").permutation(10**30)
    assert len({next(huge) for _ in range(1000)}) == 1000


def test_permutations_are_uniform():
    counts = {}
    dice = Dice("uniform")
    for _ in range(6000):
        order = tuple(dice.permutation(3))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6 and all(850 < count < 1150 for count in counts.values())


@pytest.mark.parametrize(
    ("operands", "operators"),
    [([7, 2, 3], "+*"), ([9, 3, 3], "-/"), ([8, 2, 3], "/*"), ([5, 4, 3, 2], "-+-")],
)
def test_evaluate_knows_precedence(operands, operators):
    text = str(operands[0]) + "".join(
        f"{sign}{number}" for sign, number in zip(operators, operands[1:], strict=True)
    )
    assert numbers.evaluate(operands, operators) == eval(text)


def test_evaluate_refuses_remainders():
    assert numbers.evaluate([7, 2], "/") is None and numbers.evaluate([7, 0], "/") is None


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        ("arithmetic", {"low": 5, "high": 5}, "low and high must be numbers"),
        ("arithmetic", {"operators": ["%"]}, "operators must be some of"),
        ("arithmetic", {"operands": 7}, "operands must be 2, 3 or 4"),
        ("arithmetic", {"lowest_result": 500}, "nothing meets these limits"),
        ("arithmetic", {"hihg": 5}, "did you mean 'high'?"),
        ("number_sequence", {"rules": ["sideways"]}, "rules must be some of"),
        ("number_sequence", {"length": 2}, "length must be at least 3"),
    ],
)
def test_arguments_a_generator_cannot_use(function, args, message):
    raw = {key: COMPARISON[key] for key in ("description", "measures")} | {
        "generator": {"function": function, "args": args},
        "frames": [{"text": "{expression}" if function == "arithmetic" else "{sequence}"}],
    }
    with pytest.raises(UserError) as caught:
        parse_definition(raw, "t.yaml")
    assert message in str(caught.value)


def test_frames_choose_by_the_operator():
    raw = {key: COMPARISON[key] for key in ("description", "measures")} | {
        "generator": {"function": "arithmetic"},
        "frames": [
            {"when": {"operators": "+"}, "text": "{a} and {b} more"},
            {"when": {"operators": "-"}, "text": "{a} without {b}"},
        ],
    }
    for item in expand("formal/t", parse_definition(raw, "t.yaml"), seed=0, count=80).wordings[
        "chat"
    ]:
        first, word, second, *_ = item.clean_prompt.split()
        sign = {"and": 1, "without": -1}[word]
        assert int(first) + sign * int(second) == int(item.correct)


def test_the_example_of_the_documentation_is_a_task(root, tmp_path):
    """docs/adding-a-task.md: one file in data/ makes a task."""
    text = (root / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "data" / "physical" / "habitat.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(example, encoding="utf-8")
    assert list_tasks(tmp_path / "data") == ["physical/habitat"]
    definition = load_definition(task_path(tmp_path / "data", "physical/habitat"))
    items = expand("physical/habitat", definition, seed=0, count=1000)
    assert len(items) == 768 and items.metadata["n_units"] == 64
    # The page tells users to audit it: nothing is wrong with it in any vocabulary.
    shutil.copytree(root / "data" / LEXICON_FOLDER, tmp_path / "data" / LEXICON_FOLDER)
    (audited,) = audits(
        ["physical/habitat"], tmp_path / "data", reference_vocabularies(), count=768, seed=0
    )
    assert problems(*audited) == []
    domain = text.split("```yaml\n")[3].split("```")[0]
    (tmp_path / "data" / "music").mkdir()
    (tmp_path / "data" / "music" / "domain.yaml").write_text(domain, encoding="utf-8")
    assert domains_in(tmp_path / "data")["music"].name == "music"


def test_the_example_of_the_format_is_a_task(root):
    text = (root / "docs" / "tasks" / "format.md").read_text(encoding="utf-8")
    raw = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert len(expand("physical/t", parse_definition(raw, "format.md"), seed=0, count=50)) == 9


def test_a_worked_example_is_no_item():
    """A problem whose solution stands in the prefix would test copying."""
    raw = {
        "description": "d",
        "measures": "m",
        "prompt": {"completion": {"prefix": "2 + 3 = 5\n3 - 1 = 2\n"}},
        "generator": {"function": "arithmetic", "args": {"low": 1, "high": 4}},
        "frames": [{"text": "{expression} ="}],
    }
    items = expand("formal/t", parse_definition(raw, "t.yaml"), seed=0, count=400)
    problems = {
        prompt.splitlines()[-1]
        for item in items.wordings["completion"]
        for prompt in (item.clean_prompt, item.corrupted_prompt)
    }
    assert {"3 + 2 =", "1 + 3 ="} <= problems
    assert not problems & {"2 + 3 =", "3 - 1 ="}
