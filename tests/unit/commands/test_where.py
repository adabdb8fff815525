"""`brodmann where` at every stage of a study: nothing, half of it, all of it."""

import json

import pytest

from brodmann.cli import main
from brodmann.commands.where import stages
from brodmann.config.load import load_config

CONFIG = {
    "models": {
        "one": {"source": "hf:org/one"},
        "control": {"source": "hf:org/one", "untrained": True, "ablation": False},
    },
    "tasks": {"include": ["language/npi", "physical/speed"]},
    "localizer": {"lesion": {"tasks": ["language/npi"]}},
}


@pytest.fixture
def study(root, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(CONFIG))
    return load_config([file], root=root).study


def where(tmp_path, capsys):
    assert main(["where", "--directory", str(tmp_path)]) == 0
    return capsys.readouterr().out


def make(folder, files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_from_nothing_to_the_report(study, tmp_path, capsys):
    said = where(tmp_path, capsys)
    assert f"Nothing has been made yet in {tmp_path}/results." in said and "snakemake" in said

    wanted, results = dict(stages(study)), tmp_path / "results"
    assert "control: circuits" in wanted and "control: ablations" not in wanted
    make(results, [*wanted["items"], wanted["one: baselines"][1]])
    lines = [line.split("  ") for line in where(tmp_path, capsys).splitlines()]
    state = {line[0]: line[-1].strip() for line in lines if len(line) > 1}
    assert state["items"] == "done" and state["one: baselines"] == "1 of 2 files"
    assert state["one: circuits"] == "-" and state["report"] == "-"
    assert state["Logs of jobs:"] == f"{tmp_path}/logs"

    place = "one/.store/shards"
    make(results, [f"{place}/ablation.{n}-of-7.json" for n in (2, 5)])
    make(results, [f"{place}/network_use.{n}-of-3.json" for n in (0, 1)])
    said = where(tmp_path, capsys)
    assert "one: ablation in shards     2 of 7 are through\n" in said
    assert "one: network_use in shards  1 of 3 are through\n" in said

    for files in wanted.values():
        make(results, files)
    said = where(tmp_path, capsys)
    assert f"{results}/report.html" in said and "of 2 files" not in said and "Logs" not in said


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["where", "--directory", str(tmp_path / "nowhere")]) == 1
    assert "there is no folder" in capsys.readouterr().err
