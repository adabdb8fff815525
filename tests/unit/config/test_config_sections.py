"""The classes of the config's sections, and the schema that editors take from them, say the same."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from brodmann.config.load import load_config
from brodmann.config.problems import validated
from brodmann.config.schema import config_schema
from brodmann.config.source import ConfigSource
from brodmann.errors import UserError

ROOT = Path(__file__).parents[3]
MODELS = {"a": {"source": "hf:org/name"}}
VALUES = (
    *(None, True, False, -1, 0, 1, 2, 9, 10, 50, 101, 0.0, 0.5, 1.0, 3.0, 2.5, 1e9),
    *("", " ", "x", "auto", "autox", "true", "random", "null", "1", "cpu", "cuda:1", "cuda:"),
    *("all", "none", "half", "zero", "language", "theory-of-mind", "positive", "mlp_output"),
    *([], [1], [0], [1, 1.0], [101], ["x"], ["x", "x"], [""], [None], [True], ["neurons"], [["x"]]),
    *({}, {"x": "y"}, {"x": 1}, {"x": ""}, {"x": {}}, {"table": "t"}, {"language": "sum"}),
    *({"tasks": []}, {"multiply": [2]}, {"multiply": [2, 2.0]}, {1, 2}, b"x"),
)


def keys_of(schema, path=()):
    """Paths of all keys, mappings included; one model stands for all."""
    for key, part in schema.get("properties", {}).items():
        yield (*path, key)
        yield from keys_of(part, (*path, key))
    others = schema.get("additionalProperties")
    if path == ("models",) and isinstance(others, dict):
        yield (*path, "a")
        yield from keys_of(others, (*path, "a"))


def with_value(config, path, value):
    """A copy of ``config`` in which ``value`` stands at ``path``."""
    if not path:
        return value
    return {**config, path[0]: with_value(config.get(path[0], {}), path[1:], value)}


@pytest.mark.parametrize("section", config_schema()["properties"])
def test_schema_and_classes_refuse_the_same_values(section):
    """``jsonschema`` judges by the schema, pydantic by the class."""
    by_schema = Draft202012Validator(config_schema())
    verdicts = set()
    for path in keys_of(config_schema()):
        for value in VALUES if path[0] == section else ():
            config = with_value({"models": MODELS}, path, value)
            _, problems, broken = validated(config, ConfigSource())
            fine = by_schema.is_valid(config)
            assert (not problems) == fine, (path, value, problems)
            assert bool(problems) == bool(broken)
            verdicts.add(fine)
    assert verdicts == {True, False}


def test_defaults_obey_their_own_bounds():
    config, problems, _ = validated({"models": MODELS}, ConfigSource())
    written = config.model_dump(mode="json")
    assert not problems and Draft202012Validator(config_schema()).is_valid(written)
    assert not validated(written, ConfigSource())[1]


def test_numbers_stay_as_they_are_written(tmp_path):
    """3 and 3.0 are two texts, so two names and two keys of the store."""
    for text, shown in (("3", "3"), ("3.0", "3.0")):
        (tmp_path / "config.yaml").write_text(
            f"models: {{a: {{source: 'hf:o/n'}}}}\nnetworks: {{threshold: {text}, restarts: {text}}}"
        )
        loaded = load_config([tmp_path / "config.yaml"], root=ROOT)
        sent = type(loaded.study).from_dict(loaded.study.to_dict())
        for found in (loaded.study, sent):
            assert repr(found.networks.decomposition()["threshold"]) == shown
            assert repr(found.networks.restarts) == "3"
        assert repr(loaded.config["networks"]["threshold"]) == shown


@pytest.mark.parametrize("where", ["value", "key"])
def test_half_a_character_is_refused(tmp_path, where):
    """JSON's escapes can spell half of a surrogate pair, which no file can hold."""
    entry = {"source": "hf:o/n", "system" if where == "value" else "\ud800": "\ud800"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"models": {"a": entry}}))
    with pytest.raises(UserError) as caught:
        load_config([tmp_path / "config.yaml"], root=ROOT)
    [problem] = caught.value.problems
    assert "holds half a character" in str(problem) and str(problem).encode()


def test_several_problems_of_one_list_are_all_said(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "models: {a: {source: 'hf:o/n'}}\nselection: {percents: [0, 101, x], main: 7}\n"
    )
    with pytest.raises(UserError) as caught:
        load_config([tmp_path / "config.yaml"], root=ROOT)
    whats = [problem.what for problem in caught.value.problems]
    assert whats == [
        "found 0, allowed: more than 0",
        "found 101, allowed: 100 or less",
        "expected a number, found 'x'",
    ], "and main is not blamed for percents that nobody can read"


@pytest.mark.parametrize("section", ["networks", "tasks", "statistics", "execution", "localizer"])
def test_names_that_only_the_code_uses_are_no_keys(section, tmp_path):
    """What a section is resolved to has more fields than may be written."""
    for name in ("sources", "selected", "exclude", "use", "name", "kind"):
        _, problems, _ = validated({"models": MODELS, section: {name: {}}}, ConfigSource())
        assert [problem.what for problem in problems] == ["unknown key"], name


def test_a_broken_key_is_not_said_to_be_missing(tmp_path):
    (tmp_path / "config.yaml").write_text("models: {a: {source: 3}, b: {source: 'hf:o/n'}}\n")
    with pytest.raises(UserError) as caught:
        load_config([tmp_path / "config.yaml"], root=ROOT)
    assert [problem.what for problem in caught.value.problems] == ["expected text, found 3"]


def test_without_models_only_their_absence_is_said(tmp_path):
    (tmp_path / "config.yaml").write_text("tasks: {items: 30}\n")
    with pytest.raises(UserError) as caught:
        load_config([tmp_path / "config.yaml"], root=ROOT)
    [problem] = caught.value.problems
    assert problem.what == "missing" and problem.fix.startswith("The models of the study")


def test_a_folder_is_not_sought_where_nobody_can_say_where(tmp_path):
    text = "models: {a: {source: 'results:one'}}\nresults_from: 3\n"
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_config([tmp_path / "config.yaml"], root=ROOT)
    assert [one.what for one in caught.value.problems] == ["expected text or null, found 3"]
