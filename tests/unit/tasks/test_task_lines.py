"""What is said of tasks, their material and their domains that cannot be used: the whole line."""

import json

import pytest

from brodmann.errors import UserError
from brodmann.tasks import domains
from brodmann.tasks.dice import Dice
from brodmann.tasks.generators import generators
from brodmann.tasks.published import list_published, read_published, source_files
from brodmann.tasks.yaml_source import read_yaml

ITEM = {
    "clean_problem": "1 + 1 =",
    "corrupted_problem": "1 + 2 =",
    "clean_correct": "2",
    "clean_incorrect": "3",
    "corrupted_correct": "3",
    "corrupted_incorrect": "2",
}


@pytest.fixture
def published(tmp_path):
    """A folder in the published layout with these tasks and items."""

    def made(tasks=None, items=(ITEM,), domain="MD", text=None):
        config = tmp_path / "config" / domain / "config.json"
        data = tmp_path / "data" / domain / "add.json"
        for path in (config, data):
            path.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({"add": {"path": "add.json"}} if tasks is None else tasks))
        data.write_text(json.dumps(list(items)) if text is None else text)
        return tmp_path

    return made


def lines(call):
    with pytest.raises(UserError) as error:
        call()
    return [str(problem) for problem in error.value.problems]


def test_tasks_of_the_published_layout_that_are_none(published, tmp_path):
    tasks = {
        "add": [],
        "none": {},
        "empty": {"path": ""},
        "a/b": {"path": "add.json"},
    }
    place = f"{tmp_path}/config/MD/config.json"
    assert lines(lambda: list_published(published(tasks))) == [
        f"{place}: add: must be a mapping",
        f"{place}: none.path: missing (name the data file)",
        f"{place}: empty.path: missing (name the data file)",
        f"{place}: a/b: a task's name cannot hold a slash",
    ]
    (tmp_path / "config/MD/config.json").write_text("[]")
    assert lines(lambda: list_published(tmp_path)) == [
        f"{place}: must map task names to their settings"
    ]
    (tmp_path / "config/MD/config.json").write_text("{")
    [line] = lines(lambda: list_published(tmp_path))
    assert line.startswith(f"{place}: not valid JSON: ")


def test_a_domain_that_is_none_and_a_folder_without_any(published, tmp_path):
    [line] = lines(lambda: list_published(published(domain="Toms")))
    assert line == f"{tmp_path}/config/Toms: not a cognitive domain (did you mean 'ToM'?)"
    folder = tmp_path / "nothing"
    folder.mkdir()
    what = "no task folder in the published layout (it holds config/*/config.json)"
    assert lines(lambda: list_published(folder)) == [f"{folder}: {what}"]


def test_two_published_tasks_of_one_name_are_refused(published, tmp_path):
    """Our names are shorter: what the layout tells apart they may not."""
    tasks = {"speed": {"path": "add.json"}, "physics_speed": {"path": "add.json"}}
    folder = published(tasks, domain="phys")
    assert list_published(folder) == ["physical/physics_speed", "physical/speed"]
    assert lines(lambda: list_published(folder, rename=True)) == [
        f"{tmp_path}/config/phys/config.json: 'speed' and 'physics_speed' are both 'physical/speed'"
    ]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../../secret.json", "{data}/../../secret.json leaves the folder {data}"),
        ("none.json", "the file {data}/none.json does not exist"),
        ("a\0b", "'a\\x00b' is no name of a file"),
    ],
)
def test_data_files_lie_in_the_folder_of_their_domain(published, tmp_path, path, says):
    folder = published({"add": {"path": path}})
    says = says.format(data=f"{tmp_path}/data/MD")
    place = f"{tmp_path}/config/MD/config.json: add.path"
    assert lines(lambda: source_files(folder, "formal/add")) == [f"{place}: {says}"]
    if "secret" in path:
        assert lines(lambda: read_published(folder, "formal/ad")) == [
            f"{folder}: no task 'formal/ad' (did you mean 'formal/add'?)"
        ]


def test_everything_wrong_with_published_items_is_said_at_once(published, tmp_path):
    items = [
        "text",
        {**ITEM, "clean_problem": None},
        {**ITEM, "clean_correct": 2, "corrupted_incorrect": ""},
    ]
    tasks = {"add": {"path": "add.json", "prefix": 1, "single_answer": "no", "suffix": None}}
    data, config = f"{tmp_path}/data/MD/add.json", f"{tmp_path}/config/MD/config.json"
    assert lines(lambda: read_published(published(tasks, items), "formal/add")) == [
        f"{config}: add.prefix: must be text or null, found 1",
        f"{config}: add.single_answer: must be true or false, found 'no'",
        f"{data}: item 0: must be a mapping",
        f"{data}: item 1.clean_problem: missing",
        f"{data}: item 2.clean_correct: must be text, found 2",
        f"{data}: item 2.corrupted_incorrect: is empty",
    ]
    for text in ("[]", "{}"):
        assert lines(lambda t=text: read_published(published(text=t), "formal/add")) == [
            f"{data}: must be a list of items, and not an empty one"
        ]


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [
        ({}, "1 + 1 ="),
        ({"prefix": "Add: ", "concatenation": "\n"}, "Add: 1 + 1 =\n"),
        (
            {"suffix": "{correct_answer} or {incorrect_answer}?"},
            "1 + 1 = 2 or 3?",
        ),
        ({"suffix": "?", "single_answer": True}, "1 + 1 ="),
    ],
)
def test_a_published_prompt_is_what_the_layout_says(published, settings, prompt):
    item = {**ITEM, "answer": "2", "note": "not used"}
    folder = published({"add": {"path": "add.json", "order": 1, **settings}}, [item, item])
    found = read_published(folder, "formal/add", 5)
    [one, other] = found.wordings["chat"]
    assert one.clean_prompt == prompt and one == other
    single = "single_answer" in settings
    assert (one.correct, one.incorrect) == ("2", None if single else "3")
    assert found.groups[0] == found.groups[1]  # the same pair twice is one unit
    assert found.metadata["note"] == "5 items were asked for" and len(found) == 2
    assert len(read_published(folder, "formal/add", 1)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"subjects": ["box"], "steps": 1}, "1 steps need at least 2 subjects, found 1"),
        (
            {"subjects": ["box", "bag", "cup"], "steps": 2, "states": [["red", "blue"]]},
            "the schemas ponens need states: groups of 3 words or more",
        ),
        (
            {"subjects": ["box", "bag"], "schemas": ["conjunction"]},
            "the schemas conjunction need opposites: pairs of words",
        ),
        (
            {
                "subjects": ["box", "bag"],
                "schemas": ["connective", "conjunction"],
                "opposites": [["open", "open"]],
            },
            "the schemas conjunction, connective need opposites: pairs of words",
        ),
    ],
)
def test_a_generator_that_has_too_little_to_say_is_told(arguments, says):
    given = {"schemas": ["ponens"], **arguments}
    with pytest.raises(ValueError) as error:
        next(generators()["propositional"].contents(Dice("check"), given))
    assert str(error.value) == says


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("music", "[]", ["{place}: must have the keys name, colour, text"]),
        (
            "music",
            "name: Music\ncolour: 7\ntext: pitches\ncolor: teal\n",
            [
                "{place}: color: unknown key (did you mean 'colour'?)",
                "{place}: colour: must be text",
            ],
        ),
        (
            "all",
            "name: All\ncolour: '#16A085'\ntext: everything\n",
            [
                "{folder}: no domain can be called 'all': tables use the word (give the folder another name)"
            ],
        ),
    ],
)
def test_what_a_domain_says_of_itself(tmp_path, name, text, says):
    path = tmp_path / name / "domain.yaml"
    path.parent.mkdir()
    path.write_text(text)
    assert lines(lambda: domains._read(path)) == [
        one.format(place=path, folder=path.parent) for one in says
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", "2: not valid YAML: "),
        ("a: 1\nb: !!python/name:os.system\n", "2: not plain data: "),
        ("a: 1\n? [b]\n: 2\n", "2: not plain data: "),
        ("a: 2001-99-99\n", " not valid YAML: "),
        ("[" * 60 + "]" * 60, "1: not valid YAML: nested in more than 50 levels"),
        (
            "a: &a [*a]\n",
            " not valid YAML: its aliases (*name) stand for too many values, or for themselves",
        ),
        ("a: 1\na: 2\n", "2: the key 'a' stands twice in one mapping (keep one)"),
        ('a: 1\nb: "\\ud800"\n', "2: "),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_named_with_its_line(tmp_path, text, line):
    path = tmp_path / "task.yaml"
    path.write_text(text)
    [said] = lines(lambda: read_yaml(path))
    assert said.startswith(f"{path}:{line}") and said.isprintable()
