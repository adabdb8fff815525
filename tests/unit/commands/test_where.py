"""`brodmann where` at every stage of a study: nothing, half of it, all of it."""

import io
import json
import logging
from pathlib import Path

import pytest
import yaml
from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.cli import main
from brodmann.commands.where import _SETTINGS, stages
from brodmann.config.load import load_config
from brodmann.files import write_json
from brodmann.pipeline.dry_run import DryRun
from brodmann.pipeline.workspace import Workspace

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


def test_from_nothing_to_the_report(study, tmp_path, capsys, root, monkeypatch):
    monkeypatch.chdir(root)
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


@pytest.fixture
def finished(root, tmp_path, study):
    """Every file of the study below ``there``, with settings noted as the rule does."""
    place = tmp_path / "there"
    make(place / "results", [file for _, files in stages(study) for file in files])
    config = load_config([tmp_path / "config.yaml"], root=root)
    workspace = Workspace(config, root)
    results = place / "results"
    for model in study.run_models:
        card = {"source": study.model(model).source, "untrained": study.model(model).untrained}
        write_json(results / model / "model.json", card)
        for stage in (*_SETTINGS["baselines"], *_SETTINGS["circuits"], *_SETTINGS["localizers"]):
            file = results / model / f".store/{stage}.settings.json"
            write_json(file, workspace.stage_settings(model, stage))
    write_json(results / "provenance.json", {"config": workspace.recorded_config})
    return place


def states(said):
    parts = (line.partition("  ") for line in said.splitlines())
    return {name: state.strip() for name, _, state in parts}


def test_a_config_is_named_from_where_the_user_stands(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["where", "--configfile", "config.yaml", "--directory", "there"]) == 0
    said = capsys.readouterr().out
    assert str(finished / "results/report.html") in said and "snakemake" not in said
    assert Path.cwd() == tmp_path
    # The same of another command that looks at results.
    assert main(["plan", "--configfile", "config.yaml", "--directory", "nowhere"]) == 1
    assert "there is no folder nowhere" in capsys.readouterr().err
    assert main(["plan", "--configfile", "there.yaml", "--directory", "there"]) == 1
    assert "there.yaml: " in capsys.readouterr().err


def test_what_was_made_with_other_settings_is_not_done(finished, tmp_path, capsys, monkeypatch):
    """Of a threshold that has changed: what hangs on it, and the command that makes it."""
    monkeypatch.chdir(tmp_path)
    changed = {**CONFIG, "tasks": {**CONFIG["tasks"], "min_both_correct": 0.8}}
    Path("other study.yaml").write_text(json.dumps(changed))
    given = ["--configfile", "other study.yaml", "--directory", "there"]
    assert main(["where", *given]) == 0
    said = capsys.readouterr().out
    state = states(said)
    differs = "made with other settings (tasks.min_both_correct 0.6 -> 0.8)"
    assert state["one: baselines"] == state["control: circuits"] == differs
    assert state["one: checked"] == state["items"] == "done"
    assert state["one: ablations"] == "made of what was made with other settings"
    assert state["statistics"] == "made of what was made with other settings"
    assert state["report"] == differs
    words = "--configfile 'other study.yaml' --directory there"
    assert f"brodmann run {words}" in said.splitlines()
    # In a clone, or where snakedeploy has put the workflow, Snakemake finds it by itself.
    for file in ("workflow/Snakefile", "profiles/local/config.yaml"):
        assert "snakemake" not in said
        make(tmp_path, [file])
        assert main(["where", *given]) == 0
        said = capsys.readouterr().out
    assert f"snakemake --profile profiles/local {words}" in said.splitlines()


def test_another_model_of_the_same_name_and_other_items(finished, tmp_path, capsys):
    changed = {**CONFIG, "tasks": {**CONFIG["tasks"], "items": 77}}
    changed["models"] = {"one": {"source": "hf:org/two"}, "control": CONFIG["models"]["control"]}
    (tmp_path / "config.yaml").write_text(json.dumps(changed))
    given = ["--configfile", str(tmp_path / "config.yaml"), "--directory", str(finished)]
    assert main(["where", *given]) == 0
    state = states(capsys.readouterr().out)
    source = 'models.one.source "hf:org/one" -> "hf:org/two"'
    assert state["one: checked"] == f"made with other settings ({source})"
    assert state["one: baselines"] == "made of what was made with other settings"
    assert state["items"].startswith("made with other settings (tasks.items ")
    assert state["items"].endswith(" -> 77)") and state["control: checked"] == "done"


@pytest.mark.parametrize(
    ("typed", "named", "tests"),
    [
        ("figures={chord_minimum: 0.1}", "figures.chord_minimum 0.05 -> 0.1", "done"),
        ("statistics={permutations: 500}", "statistics.permutations 10000 -> 500", "named"),
        ("average={exclude: [language/*]}", 'average.exclude [] -> ["language/*"]', "named"),
        ("localizer={percentages: [2.0]}", "localizer.percentages [1.0] -> [2.0]", "done"),
        ("selection={main: 1.0}", "selection.main 0.1 -> 1.0", "of others"),
        ("tasks={min_items: 3}", "tasks.min_items 20 -> 3", "of others"),
    ],
)
def test_what_has_changed_is_said_of_what_reads_it(
    finished, root, tmp_path, capsys, monkeypatch, typed, named, tests
):
    """Of statistics only if they read it; by the key that was typed, also in a dry run."""
    given = ["--configfile", str(tmp_path / "config.yaml"), "--directory", str(finished)]
    assert main(["where", *given, "--config", typed]) == 0
    state = states(capsys.readouterr().out)
    says = f"made with other settings ({named})"
    assert state["report"] == says
    expected = {
        "done": "done",
        "named": says,
        "of others": "made of what was made with other settings",
    }
    assert state["statistics"] == expected[tests]
    assert state["one: localizers"] == (
        says if typed.startswith("localizer") else state["one: localizers"]
    )
    # A dry run of one light job.
    monkeypatch.chdir(finished)
    key, _, value = typed.partition("=")
    loaded = load_config([tmp_path / "config.yaml"], {key: yaml.safe_load(value)}, root=root)
    stream = io.StringIO()
    dry = DryRun(stream, Workspace(loaded, root).changed)
    job = {"event": LogEvent.JOB_INFO, "rule_name": "structure", "reason": "Params have changed"}
    job |= {"output": ["results/statistics/modularity.csv"], "shellcmd": None, "rule_msg": None}
    dry.emit(logging.makeLogRecord({**job, "msg": ""}))
    dry.emit(
        logging.makeLogRecord({"msg": "This was a dry-run (flag -n).", "levelno": logging.INFO})
    )
    assert f"Changed since: {named}." in " ".join(stream.getvalue().split())


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert main(["where", "--directory", str(tmp_path / "nowhere")]) == 1
    assert "there is no folder" in capsys.readouterr().err
