"""Task files: what is wrong is named with its place, and a way out."""

import pytest
import yaml

from brodmann.errors import UserError
from brodmann.tasks.definition import load_definition, parse_definition

GOOD = {
    "description": "d",
    "measures": "m",
    "lexicon": {
        "noun": {"forms": ["one", "many"], "entries": [["dog", "dogs"], ["cat", "cats"]]},
        "city": ["Lima", "Lagos"],
    },
    "slots": {"town": "city"},
    "contrast": {"subject": ["{noun.one}", "{noun.many}"]},
    "answers": ["is", "are"],
    "frames": [{"text": "In {city}, the {subject}"}],
}


def problems(**changes):
    raw = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    with pytest.raises(UserError) as caught:
        parse_definition(raw, "data/language/t.yaml")
    return [str(problem) for problem in caught.value.problems]


def items(*entries):
    return {"frames": ..., "lexicon": ..., "slots": ..., "contrast": ..., "items": list(entries)}


ITEM = {"text": {"clean": "one dog", "corrupted": "two dogs"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # slots and forms
        (
            {"frames": [{"text": "{citty} {subject}"}]},
            "unknown slot {citty} (did you mean 'city'?)",
        ),
        (
            {"contrast": {"subject": ["{noun.on}", "{noun.many}"]}},
            "unknown form {noun.on} (did you mean 'one'?)",
        ),
        ({"contrast": {"subject": ["{noun}", "x"]}}, "{noun} needs a form: many, one"),
        ({"frames": [{"text": "{city.one} {subject}"}]}, "{city} has no forms"),
        ({"frames": [{"text": "{subject.one}"}]}, "{subject} has no forms"),
        ({"frames": [{"text": "{subject} {"}]}, "unbalanced brace"),
        ({"frames": [{"text": "{subject!r}"}]}, "takes no format"),
        ({"frames": [{"text": "{a b} {subject}"}]}, "is not a slot"),
        ({"answers": ["{subject}", "are"]}, "{subject} differs between clean and corrupted"),
        ({"lexicon": {**GOOD["lexicon"], "city": ["{city}"]}}, "{city} refers to itself"),
        ({"prompt": {"chat": {"suffix": "{city}?"}}}, "prompt.chat.suffix: unknown slot {city}"),
        # words
        ({"lexicon": {"city": ["Lima", "Lima"]}}, "lexicon.city[1]: repeats entry 0"),
        ({"lexicon": {"city": ["Lima", 7]}}, "lexicon.city[1]: must be text, found a number 7"),
        ({"lexicon": {"city": ["Lima", True]}}, "found a YAML boolean True (put it in quotes)"),
        ({"lexicon": {"city": ["Lima", " "]}}, "lexicon.city[1]: is empty"),
        (
            {"lexicon": {"city": [{"a": "x"}, {"b": "x"}]}},
            "its forms differ from the first entry's",
        ),
        (
            {"lexicon": {"noun": {"forms": ["one", "many"], "entries": [["dog"]]}}},
            "lexicon.noun.entries[0]: must list 2 values: one, many",
        ),
        ({"lexicon": {"correct_answer": ["x"]}}, "the name is reserved"),
        ({"slots": {"town": "cities"}}, "slots.town: no lexicon 'cities' (did you mean 'city'?)"),
        ({"slots": {"town": ["city"]}}, "slots.town: no lexicon '['city']' (did you mean 'city'?)"),
        ({"slots": {"noun": "city"}}, "a lexicon has the same name"),
        ({"units": [["noun"]]}, "units: no slot '['noun']' (did you mean 'noun'?)"),
        # contrast and answers
        ({"contrast": {"subject": ["x", "x"]}}, "contrast.subject: clean equals corrupted: 'x'"),
        ({"contrast": {"subject": ["x"]}}, "must be a list of two"),
        ({"contrast": {"city": ["x", "y"]}}, "contrast.city: a slot has the same name"),
        ({"answer": "is"}, "answer: not in a two-answer task (write answers)"),
        ({"single_answer": True}, "answers: not in a single-answer task (write answer)"),
        ({"frames": [{"text": "{subject}", "when": {"x": 1}}]}, "only a generator's frames"),
        # constraints
        (
            {"constraints": {"distict": []}},
            "constraints.distict: unknown key (did you mean 'distinct'?)",
        ),
        ({"constraints": {"distinct": [["city"]]}}, "must be a list of two slots"),
        (
            {"constraints": {"distinct": [["city", "twon"]]}},
            "no slot 'twon' (did you mean 'town'?)",
        ),
        ({"constraints": {"same": [["noun.on", "city"]]}}, "unknown form 'noun.on'"),
        ({"constraints": {"less": [["city", "town"]]}}, "'city' is not a number in every entry"),
        (
            {
                "lexicon": {**GOOD["lexicon"], "city": ["Lima"]},
                "constraints": {"distinct": [["city", "town"]]},
            },
            "'city' has a single entry: none is left for both",
        ),
        # explicit items
        (items(ITEM, ITEM), "items[1].completion: repeats items[0] (or mirrors it)"),
        (
            items(ITEM, {"text": {"clean": "two dogs", "corrupted": "one dog"}}),
            "items[1].completion: repeats items[0] (or mirrors it)",
        ),
        (items({"text": {"clean": "one", "corrupted": ""}}), "items[0].text.corrupted: is empty"),
        (items({"text": {"clean": "one"}}), "items[0].text.corrupted: missing"),
        (items({**ITEM, "answers": ["a", "a"]}), "items[0].answers: the answers are equal: 'a'"),
        (items("text"), "items[0]: must be a mapping, found text"),
        ({"items": [ITEM]}, "a task has either frames or items"),
        ({"frames": ...}, "frames: missing"),
        # the rest
        ({"units": ["nuon"]}, "units: no slot 'nuon' (did you mean 'noun'?)"),
        ({"seed": -1}, "seed: must be a whole number from 0 on, found -1"),
        ({"single_answer": "no"}, "single_answer: must be true or false, found 'no'"),
        ({"descripton": "x"}, "descripton: unknown key (did you mean 'description'?)"),
        ({1: "x"}, "the key 1 is a number, not text"),
    ],
)
def test_messages(changes, expected):
    found = problems(**changes) if all(isinstance(key, str) for key in changes) else raised(changes)
    assert any(expected in text for text in found), found
    assert all(text.startswith("data/language/t.yaml") for text in found)


def raised(changes):
    with pytest.raises(UserError) as caught:
        parse_definition({**GOOD, **changes}, "data/language/t.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_one_problem_is_said_once():
    """A fault in the shared contrast is not repeated for every frame that uses it."""
    found = problems(contrast={"subject": ["x", "x"]}, frames=[{"text": "a {subject}"}] * 1)
    assert len(found) == len(set(found))


def test_a_misspelt_section_is_one_mistake():
    """Not one for every slot that it would have named."""
    said = "data/language/t.yaml: lexikon: unknown key (did you mean 'lexicon'?)"
    assert problems(lexicon=..., lexikon=GOOD["lexicon"]) == [said]


def test_the_good_file_is_good():
    definition = parse_definition(GOOD, "t.yaml")
    assert definition.frames[0].unit_slots == ("noun",)
    assert definition.frames[0].slots == ("city", "noun")
    assert definition.prompt["completion"].answer_prefix == " "


def test_a_comment_does_not_change_the_definition(tmp_path):
    text = (
        "description: d\nmeasures: m\nanswers: [a, b]\nitems: [{text: {clean: x, corrupted: y}}]\n"
    )
    plain, commented = tmp_path / "a.yaml", tmp_path / "b.yaml"
    plain.write_text(text)
    commented.write_text("# why\n" + text)
    assert load_definition(plain).sha256 == load_definition(commented).sha256
    # Nor does what the task is called.
    commented.write_text("title: a and b\n" + text)
    assert load_definition(plain).sha256 == load_definition(commented).sha256
    commented.write_text(text.replace("y}", "z}"))
    assert load_definition(plain).sha256 != load_definition(commented).sha256


@pytest.mark.parametrize("title", ["x" * 31, "two\nlines", 7, ""])
def test_a_title_fits_on_an_axis(title):
    assert any(
        problem.startswith("data/language/t.yaml: title") for problem in problems(title=title)
    )


def test_repeated_keys_are_named_with_their_lines(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("description: d\nlexicon:\n  a: [x]\n  b: [y]\n  a: [z]\n")
    with pytest.raises(UserError, match=r"t\.yaml:5: the key 'a' stands twice"):
        load_definition(path)


# Shared lexicons and difficulty


def shared(tmp_path, people="forms: [name, she]\nentries:\n  - [Amina, she]\n  - [Kenji, he]\n"):
    folder = tmp_path / "data" / "lexicons"
    folder.mkdir(parents=True)
    (folder / "people.yaml").write_text(people)
    path = tmp_path / "data" / "language" / "t.yaml"
    path.parent.mkdir()
    raw = {**GOOD, "lexicon": {**GOOD["lexicon"], "person": "people"}}
    raw["frames"] = [{"text": "{person.name} says {person.she} sees that {subject}"}]
    path.write_text(yaml.safe_dump(raw))
    return path


def test_a_shared_lexicon_is_read_and_counts(tmp_path):
    path = shared(tmp_path)
    definition = load_definition(path)
    assert [entry["name"].text for entry in definition.slots["person"]] == ["Amina", "Kenji"]
    lexicon = tmp_path / "data" / "lexicons" / "people.yaml"
    lexicon.write_text("# a remark\n" + lexicon.read_text())
    assert load_definition(path).sha256 == definition.sha256
    lexicon.write_text(lexicon.read_text() + "  - [Zara, she]\n")
    assert load_definition(path).sha256 != definition.sha256


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ("forms: [name, she]\nentries:\n  - [Amina]\n", "must list 2 values: name, she"),
        ("", "has no entries"),
        ("entries: [", "not valid YAML"),
    ],
)
def test_a_wrong_shared_lexicon_is_named(tmp_path, people, message):
    with pytest.raises(UserError, match=message) as caught:
        load_definition(shared(tmp_path, people))
    assert "people.yaml" in str(caught.value)


def test_an_unknown_shared_lexicon_gets_a_suggestion(tmp_path):
    path = shared(tmp_path)
    path.write_text(path.read_text().replace("person: people", "person: peopel"))
    with pytest.raises(UserError, match=r"no shared lexicon 'peopel' \(did you mean 'people'\?\)"):
        load_definition(path)


ARITHMETIC = {
    "description": "d",
    "measures": "m",
    "generator": {"function": "arithmetic", "args": {"high": 9}},
    "difficulty": {"hard": {"high": 99, "low": 10}},
    "frames": [{"text": "{expression} ="}],
}


def test_a_difficulty_changes_the_generators_arguments(tmp_path):
    definition = parse_definition(ARITHMETIC, "data/formal/t.yaml")
    assert definition.at_level("default") is definition
    assert definition.at_level("hard").arguments == {"high": 99, "low": 10}
    with pytest.raises(UserError, match=r"no difficulty 'harder' \(it offers: default, hard\)"):
        definition.at_level("harder")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"difficulty": {"hard": {"hihg": 9}}}, r"difficulty.hard.hihg: unknown key .*'high'"),
        ({"difficulty": {"hard": {"high": 0}}}, "difficulty.hard: low and high must be"),
        ({"difficulty": {"default": {"high": 7}}}, "stands for the file as it is"),
        ({"difficulty": [1]}, "difficulty: must be a mapping"),
    ],
)
def test_a_wrong_difficulty_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        parse_definition({**ARITHMETIC, **changes}, "data/formal/t.yaml")


def test_only_generators_have_difficulties():
    with pytest.raises(UserError, match="only a generator has difficulties"):
        parse_definition({**GOOD, "difficulty": {"hard": {}}}, "data/language/t.yaml")


def test_an_empty_lexicon_is_not_blamed_for_a_constraint():
    lexicon = {**GOOD["lexicon"], "city": []}
    found = problems(lexicon=lexicon, constraints={"distinct": [["city", "town"]]})
    assert found == ["data/language/t.yaml: lexicon.city: has no entries"]
