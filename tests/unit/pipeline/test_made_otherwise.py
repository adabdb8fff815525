"""What has changed since results were made, in words; and what drivers tell of containers."""

import base64
from types import SimpleNamespace

import pytest

from brodmann.files import file_digest, write_json
from brodmann.pipeline import driver
from brodmann.pipeline.made import before, changes, few, in_config, recorded, since


def test_each_value_that_differs_has_a_line():
    old = {"a": 1, "gone": True, "b": {"c": [1], "long": "x"}, "same": {"d": 1}}
    new = {"a": 2, "b": {"c": [2], "long": "y" * 60, "e": None}, "same": {"d": 1}}
    assert list(changes(old, new)) == [
        "a 1 -> 2",
        "gone taken out",
        "b.c [1] -> [2]",
        "b.long changed",
        "b.e added",
    ]
    assert list(changes({"d": 1}, 2, "a.b")) == ['a.b {"d": 1} -> 2']


def test_of_settings_that_were_never_noted_nothing_has_changed(tmp_path):
    file = tmp_path / "a.settings.json"
    assert since(file, {"a": 1}) == [] and recorded(tmp_path) == {}
    write_json(file, {"a": [1, 2]})
    assert since(file, {"a": (1, 2)}) == []  # as JSON has it
    assert since(file, {"a": (1, 3)}) == ["a [1, 2] -> [1, 3]"]
    write_json(tmp_path / "provenance.json", {"config": {"a": 1}})
    assert recorded(tmp_path) == {"a": 1}


def test_changes_are_said_in_the_keys_that_were_typed():
    """As they stand in a stage's settings, in the config, and what is said."""
    typed = ["ablation.items 20 -> 30", "tasks.items 10 -> 20", "figures.dpi 1 -> 2"]
    assert list(in_config(["ablation.items 20 -> 30"], typed, "circuits")) == typed[:1]
    assert list(in_config(["settings.items 10 -> 20"], typed, "circuits")) == typed[1:2]
    # Nothing of the same name: all that the sections of the map have.
    assert list(in_config(["sizes added"], typed, "circuits")) == typed[:1]
    # A method's version is not of the config; nor is anything where no section has changed.
    assert list(in_config(["methods.ablation 1 -> 2"], typed, "circuits")) == [
        "methods.ablation 1 -> 2"
    ]
    assert list(in_config(["sizes added"], typed, "networks")) == ["sizes added"]


def test_an_output_is_older_than_its_settings_if_snakemake_remembers_others(tmp_path):
    settings, output = tmp_path / "results/a/.store/x.settings.json", "results/a/.store/x.json"
    write_json(settings, {"a": 1})
    record = tmp_path / ".snakemake/metadata" / base64.urlsafe_b64encode(output.encode()).decode()
    assert not before(settings, output, tmp_path)
    name = "results/a/.store/x.settings.json"
    for known, expected in (
        ({name: f"sha256:{file_digest(settings)}"}, False),
        ({name: "sha256:0"}, True),
        ({"another": "sha256:0"}, False),
        (None, False),
    ):
        write_json(record, {"input_checksums": known})
        assert before(settings, output, tmp_path) == expected
    write_json(record, {"input_checksums": {name: "sha256:0"}})
    settings.unlink()
    assert not before(settings, output, tmp_path)


def test_a_few_are_named_and_the_others_counted():
    assert few(["a", "b", "a"], 2) == "a, b" and few("abcd", 2) == "a, b, and 2 more"


@pytest.mark.parametrize(
    ("methods", "arguments", "expected"),
    [
        (["APPTAINER"], "", "--bind '/a folder'"),
        (["APPTAINER", "CONDA"], "--nv", "--nv --bind '/a folder'"),
        (["APPTAINER"], "--nv --bind '/a folder'", "--nv --bind '/a folder'"),
        (["CONDA"], "", ""),
    ],
)
def test_containers_are_shown_the_folder_of_the_tasks_once(methods, arguments, expected):
    found = SimpleNamespace(
        deployment_method=[SimpleNamespace(name=name) for name in methods],
        apptainer_args=arguments,
    )
    driver.show_to_containers(SimpleNamespace(deployment_settings=found), "/a folder")
    assert found.apptainer_args == expected


def test_forks_import_what_their_rules_run():
    assert driver._imported("lesion_shard") == driver._imported("lesion_pass")
    assert "brodmann.runner.ready" in driver._imported("lesion_pass")
    assert driver._imported("expand_items") == ("brodmann.pipeline.items",)
    assert driver._imported("write_report")[1:] == ("brodmann.report.compose",)
    modules = {
        name: driver._imported(name) for name in ("structure", "overlap_figures", "nobodys_rule")
    }
    assert any("statistics.stages" in one for one in modules["structure"])
    assert "matplotlib.pyplot" in modules["overlap_figures"] and modules["nobodys_rule"] == ()
