"""Tasks: what is shipped is sound, what is wrong is named, what is published is read to the character."""

import json
import re
import subprocess
import sys
from difflib import SequenceMatcher
from itertools import pairwise

import pytest
import yaml

from brodmann.errors import UserError
from brodmann.tasks.catalogue import list_tasks, select, task_path, task_titles
from brodmann.tasks.definition import load_definition
from brodmann.tasks.domains import PUBLISHED as DOMAINS
from brodmann.tasks.expand import expand
from brodmann.tasks.items import read_items, write_items
from brodmann.tasks.published import list_published, read_published

GOOD = {
    "description": "d",
    "measures": "m",
    "contrast": {"thing": ["{floater}", "{sinker}"]},
    "answers": ["float", "sink"],
    "lexicon": {"floater": ["cork", "leaf", "feather"], "sinker": ["stone", "nail", "anchor"]},
    "frames": [{"completion": "A {thing} will", "chat": "Does a {thing} float or sink?"}],
}


def test_tasks_are_called_by_their_titles(root, tmp_path):
    """As YAML reads them, each its own; a file without one, or none at all, is called by its name."""
    data = root / "data"
    titles = task_titles(data, list_tasks(data))
    for task, title in titles.items():
        assert title == yaml.safe_load(task_path(data, task).read_text(encoding="utf-8"))["title"]
    assert len(set(titles.values())) == len(titles)
    assert titles["language/subject_verb_agreement"] == "subject-verb agreement"
    (tmp_path / "social").mkdir()
    (tmp_path / "social/own_one.yaml").write_text("description: d\nlexicon:\n  title: [a]\n")
    found = task_titles(tmp_path, ["social/own_one", "social/no_file"])
    assert found == {"social/own_one": "own one", "social/no_file": "no file"}


def shipped(root):
    return list_tasks(root / "data")


def define(tmp_path, **changes):
    path = tmp_path / "language" / "t.yaml"
    path.parent.mkdir(exist_ok=True)
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    path.write_text(yaml.safe_dump(values))
    return path


def pytest_generate_tests(metafunc):
    if "task" in metafunc.fixturenames:
        metafunc.parametrize("task", shipped(metafunc.config.rootpath))


def test_at_least_two_tasks_in_every_domain(root):
    domains = [task.split("/")[0] for task in shipped(root)]
    assert all(domains.count(domain) >= 2 for domain in DOMAINS)


def test_shipped_items_are_minimal_pairs(root, task):
    definition = load_definition(task_path(root / "data", task))
    items = expand(task, definition, seed=0, count=200)
    assert len(items) >= 100 and set(items.wordings) == {"completion", "chat"}
    for wording, pairs in items.wordings.items():
        assert len(pairs) == len(items.groups)
        seen = set()
        for item in pairs:
            texts = (item.clean_prompt, item.corrupted_prompt)
            assert all(text.strip() for text in (*texts, item.correct, item.incorrect))
            assert texts[0] != texts[1]
            assert item.correct.split() != item.incorrect.split()
            key = (frozenset(texts), frozenset((item.correct, item.incorrect)))
            assert key not in seen, f"{task}: an item or its mirror stands twice: {texts}"
            seen.add(key)
            assert not re.search(r"[{}]", "".join((*texts, item.correct, item.incorrect)))
            if wording == "completion":
                assert item.correct.startswith(" ") and item.incorrect.startswith(" ")
                assert not item.clean_prompt.endswith(" ")
            else:
                assert not item.correct.startswith(" ")


def test_shipped_items_differ_in_few_words(root, task):
    definition = load_definition(task_path(root / "data", task))
    for item in expand(task, definition, seed=0, count=60).wordings["completion"]:
        clean, corrupted = item.clean_prompt.split(), item.corrupted_prompt.split()
        pieces = SequenceMatcher(None, clean, corrupted, autojunk=False).get_opcodes()
        changed = sum(max(b - a, d - c) for kind, a, b, c, d in pieces if kind != "equal")
        assert 1 <= changed <= 6, (item.clean_prompt, item.corrupted_prompt)


def test_shipped_expansion_is_deterministic_and_grows_at_the_end(root, task):
    definition = load_definition(task_path(root / "data", task))
    whole = expand(task, definition, seed=3, count=120)
    part = expand(task, definition, seed=3, count=50)
    assert expand(task, definition, seed=3, count=120) == whole
    assert {w: items[:50] for w, items in whole.wordings.items()} == part.wordings
    assert expand(task, definition, seed=4, count=120).wordings != whole.wordings


def test_expansion_does_not_depend_on_the_process(root):
    """Hash randomisation differs between processes; the items may not."""
    code = (
        "import sys; from brodmann.tasks.definition import load_definition as l; "
        "from brodmann.tasks.expand import expand; "
        "i = expand('language/x', l(sys.argv[1]), seed=0, count=80); print(i.digest('completion'))"
    )
    path = str(task_path(root / "data", shipped(root)[0]))
    found = {
        subprocess.run(
            [sys.executable, "-c", code, path],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_no_answer_is_right_more_often_than_another(root, task):
    """Over pairs of answers: which of the two is right is balanced."""
    definition = load_definition(task_path(root / "data", task))
    items = expand(task, definition, seed=0, count=200).wordings["completion"]
    first = sum(item.correct < item.incorrect for item in items)
    assert 0.35 <= first / len(items) <= 0.65


@pytest.mark.parametrize("task_name", ["add_sub_2op_symbolic", "mul_div_2op_symbolic"])
def test_arithmetic_is_true(root, task_name):
    task = f"formal/{task_name}"
    items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=300)
    for item in items.wordings["completion"]:
        for prompt, answer in (
            (item.clean_prompt, item.correct),
            (item.corrupted_prompt, item.incorrect),
        ):
            for line in [*prompt.splitlines()[:-1], prompt.splitlines()[-1] + answer]:
                left, right = line.replace("×", "*").replace("÷", "/").split("=")
                assert re.fullmatch(r"[\d +*/-]+", left)
                assert eval(left) == int(right), line


def test_sequences_are_arithmetic(root):
    task = "formal/number_sequence"
    items = expand(task, load_definition(task_path(root / "data", task)), seed=0, count=300)
    for item in items.wordings["completion"]:
        for prompt, answer in (
            (item.clean_prompt, item.correct),
            (item.corrupted_prompt, item.incorrect),
        ):
            terms = [int(term) for term in (prompt + answer).split(",")]
            steps = {b - a for a, b in pairwise(terms)}
            assert len(steps) == 1 and steps != {0}, prompt + answer


def test_items_file_round_trip(root, tmp_path):
    items = expand("language/t", load_definition(define(tmp_path)), seed=0, count=10)
    write_items(tmp_path / "i.json", items)
    assert read_items(tmp_path / "i.json") == items


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"description": None}, "description: missing"),
        ({"measures": ""}, "measures"),
        ({"answers": ["float", "float"]}, "the answers are equal: 'float'"),
        ({"answers": ["float", "float "]}, "differ only in white space"),
        ({"answers": ["float"]}, "must be a list of two"),
        ({"answers": None}, "missing"),
        ({"anwsers": ["a", "b"]}, "did you mean 'answers'?"),
        ({"frames": []}, "has no entries"),
        ({"frames": [{"completion": "A {thing} will"}]}, "frames[0].chat: missing"),
        ({"frames": [{"text": "nothing differs"}]}, "clean equals corrupted"),
        ({"frames": [{"text": "A {thng}"}]}, "{thng}"),
        ({"frames": [{"text": 7}]}, "frames[0].text"),
        ({"lexicon": {"floater": [], "sinker": ["x"]}}, "lexicon.floater"),
        ({"lexicon": {"floater": [True], "sinker": ["x"]}}, "lexicon.floater"),
        ({"prompt": {"chat": {"prefx": "x"}}}, "did you mean 'prefix'?"),
        (
            {"frames": None, "items": [{"text": {"clean": "a", "corrupted": "a"}}]},
            "items[0].text: clean equals corrupted",
        ),
        ({"count": 0}, "count"),
        ({"generator": {"function": "arithmetics"}}, "did you mean 'arithmetic'?"),
    ],
)
def test_a_wrong_task_file_says_what_is_wrong(tmp_path, changes, message):
    with pytest.raises(UserError) as caught:
        path = define(tmp_path, **changes)
        expand("language/t", load_definition(path), seed=0, count=10)
    assert message in str(caught.value)
    assert all("t.yaml" in str(problem) for problem in caught.value.problems)


def test_all_problems_of_a_task_at_once(tmp_path):
    with pytest.raises(UserError) as caught:
        load_definition(
            define(tmp_path, description=None, answers=["a", "a"], frames=[{"text": "x"}])
        )
    assert len(caught.value.problems) >= 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("description: !!python/object/apply:os.system ['true']", "not plain data"),
        ("description: a\ndescription: b", "stands twice"),
        ("description: [", "not valid YAML"),
        ("- a", "mapping"),
        ("", "the file is empty"),
    ],
)
def test_yaml_that_is_none(tmp_path, text, message):
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_definition(path)


def test_select():
    tasks = ["social/agent", "language/npi", "language/wug", "formal/logic"]
    assert select(tasks, ["language/*", "*/agent", "language/npi"], "k") == [
        "language/npi",
        "language/wug",
        "social/agent",
    ]
    with pytest.raises(
        UserError, match=r"'langage/npi' matches no task \(did you mean 'language/npi'\?\)"
    ):
        select(tasks, ["langage/npi"], "k")


@pytest.mark.parametrize("name", ["language/../x", "language/a b", "language/", "/etc/x", "a/b/c"])
def test_names_that_cannot_be_paths_are_refused(name):
    with pytest.raises(UserError, match="cannot be a path under results/"):
        select(["language/npi", name], ["language/npi"], "k")


# -- the published layout --


def layout(tmp_path, config, records, domain="phys"):
    (tmp_path / "config" / domain).mkdir(parents=True)
    (tmp_path / "data" / domain).mkdir(parents=True)
    (tmp_path / "config" / domain / "config.json").write_text(json.dumps({"physics_speed": config}))
    (tmp_path / "data" / domain / "file.json").write_text(json.dumps(records))
    return tmp_path


RECORD = {
    "clean_problem": "A or B?",
    "corrupted_problem": "B or A?",
    "clean_correct": "A",
    "clean_incorrect": "B",
    "corrupted_correct": "B",
    "corrupted_incorrect": "A",
    "extra": 1,
}


def test_published_prompts_to_the_character(tmp_path, caplog):
    config = {
        "path": "file.json",
        "prefix": "Q: ",
        "suffix": "Say {correct_answer} or {incorrect_answer}.",
        "concatenation": None,
        "merging_sign": "",
    }
    folder = layout(tmp_path, config, [RECORD, RECORD])
    assert list_published(folder) == ["physical/physics_speed"]
    assert list_published(folder, rename=True) == ["physical/speed"]
    with caplog.at_level("INFO"):
        items = read_published(folder, "physical/speed")
    [item, again] = items.wordings["chat"]
    assert item == again  # duplicates are kept
    assert item.clean_prompt == "Q: A or B? Say A or B."
    assert item.corrupted_prompt == "Q: B or A? Say B or A."
    assert (item.correct, item.incorrect) == ("A", "B")
    assert len(caplog.records) == 1 and "merging_sign" in caplog.text and "extra" in caplog.text


def test_published_single_answer(tmp_path):
    record = {"clean_problem": "x", "corrupted_problem": "y", "answer": " z"}
    config = {"path": "file.json", "suffix": "never", "concatenation": "?", "single_answer": True}
    items = read_published(layout(tmp_path, config, [record]), "physical/physics_speed")
    [item] = items.wordings["chat"]
    assert items.single_answer and item.incorrect is None
    assert (item.clean_prompt, item.corrupted_prompt, item.correct) == ("x?", "y?", " z")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{**RECORD, "clean_correct": None}], "item 0.clean_correct: missing"),
        ([RECORD, {**RECORD, "clean_problem": 3}], "item 1.clean_problem: must be text, found 3"),
        ([{**RECORD, "clean_incorrect": ""}], "item 0.clean_incorrect: is empty"),
        ([], "must be a list of items"),
        ({}, "must be a list of items"),
        (["x"], "item 0: must be a mapping"),
    ],
)
def test_bad_published_files_are_named(tmp_path, records, message):
    folder = layout(tmp_path, {"path": "file.json"}, records)
    with pytest.raises(UserError) as caught:
        read_published(folder, "physical/physics_speed")
    assert message in str(caught.value) and "file.json" in str(caught.value)


def test_a_data_path_may_not_leave_the_folder(tmp_path):
    (tmp_path / "secret.json").write_text(json.dumps([RECORD]))
    folder = layout(tmp_path / "in", {"path": "../../../secret.json"}, [RECORD])
    with pytest.raises(UserError):
        read_published(folder, "physical/physics_speed")


def test_the_published_sample(root):
    folder = root.parent / "shared" / "reference" / "published-tasks"
    if not folder.is_dir():
        pytest.skip("the published sample is not on this machine")
    tasks = list_published(folder, rename=True)
    assert tasks == [
        "language/det_noun_agreement_irregular",
        "language/subject_verb_agreement",
        "formal/add_sub_2op_symbolic",
        "formal/number_sequence",
        "physical/prost",
        "physical/temperature",
    ]
    prost = read_published(folder, "physical/prost").wordings["chat"][0]
    assert prost.clean_prompt == (
        "You will be given a physical reasoning question. Answer with just the correct option.\n"
        "A person is trying to stack a bottle and a brick. Which one is easier to stack?"
        "  Please just answer brick or bottle."
    )
    assert prost.corrupted_prompt.endswith("  Please just answer bottle or brick.")
    agreement = read_published(folder, "language/subject_verb_agreement")
    assert agreement.force_base_evaluation
    assert agreement.wordings["chat"][0].correct == " respect"
