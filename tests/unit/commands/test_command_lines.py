"""What commands say of input that they cannot use, and of choices that a study leaves open."""

from __future__ import annotations

import errno
import json
import os

import pytest
import toy_results as toy
import yaml

from brodmann.cli import main

STUDY = {"models": {"a": {"source": "hf:org/name"}}, "tasks": {"include": ["language/npi"]}}


@pytest.fixture
def study(tmp_path):
    """A config file with these sections beside its tasks, or in their place."""

    def written(**sections):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({**STUDY, **sections}))
        return str(path)

    return written


def error(capsys, *words):
    """The only line of error that a command ends with."""
    assert main([str(word) for word in words]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("ERROR: ")
    return said.err.removeprefix("ERROR: ").rstrip("\n")


def test_a_value_of_the_command_line_is_yaml_behind_a_key(capsys, study):
    file = study()
    assert error(capsys, "check", file, "--config", "tasks") == "--config tasks: is not KEY=VALUE"
    wrong = error(capsys, "check", file, "--config", "tasks={items: 3")
    assert wrong == "--config tasks: '{items: 3' is not YAML"


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ({}, "--- a gets completion"),
        ({"format": "completion"}, "--- a gets completion"),
        ({"format": "chat"}, "--- a gets chat"),
    ],
)
def test_of_a_task_that_is_raw_text_models_get_what_they_are_set_to(capsys, study, form, line):
    """Of one with two wordings, and nothing set, only the tokenizer knows."""
    config = study(models={"a": {**STUDY["models"]["a"], **form}})
    assert main(["items", "formal/code_loop", "-n", "1", "--configfile", config]) == 0
    said = capsys.readouterr().out.splitlines()
    if not form:
        line = "--- a gets chat if its tokenizer has a chat template, else completion"
    assert said[-1] == line
    heads = [text for text in said if text.startswith("--- formal/code_loop")]
    assert heads == [f"--- formal/code_loop, {w}, item 0" for w in ("completion", "chat")]


def test_a_study_of_results_alone_runs_no_model(capsys, study, tmp_path):
    path = tmp_path / "theirs/overlap/positive_0.1pct_overlap.csv"
    path.parent.mkdir(parents=True)
    path.write_text(",Lan/npi\nLan/npi,1\n")
    config = study(
        models={"theirs": {"source": "results:theirs"}}, localizer={"lesion": {"tasks": []}}
    )
    assert main(["items", "language/npi", "-n", "1", "--configfile", config]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "--- no model is run"
    asked = ("generate", "--model", "theirs", "--configfile", config, "--prompt", "x")
    mask = tmp_path / "mask.csv"
    mask.write_text("layer,unit,model,site\n0,1,theirs,mlp_hidden\n")
    line = error(capsys, *asked, "--mask", mask)
    assert line == "models.theirs.source: a results source has no model to run"


def test_a_glob_is_no_task(capsys, study):
    line = error(capsys, "items", "language/*", "--configfile", study())
    what, _, fix = line.partition(" (")
    assert what.startswith("language/*: are ") and what.endswith(" tasks")
    assert fix.startswith("name one: language/") and fix.endswith(", ...)")


def test_a_mask_without_units_names_none(capsys, study, tmp_path):
    mask = tmp_path / "mask.csv"
    mask.write_text("layer,unit,model,site\n")
    words = ("generate", "--model", "a", "--configfile", study(), "--prompt", "x", "--mask", mask)
    assert error(capsys, *words) == f"{mask}: the mask has no units"


def test_published_items_are_neither_audited_nor_drawn(capsys, study, tmp_path):
    folder = tmp_path / "published"
    item = {
        f"{side}_{name}": "x" for side in ("clean", "corrupted") for name in ("problem", "correct")
    }
    item |= {"clean_incorrect": "y", "corrupted_incorrect": "y", "corrupted_problem": "z"}
    for name, content in (
        ("config/MD/config.json", {"add": {"path": "add.json"}}),
        ("data/MD/add.json", [item]),
    ):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    config = study(
        tasks={"published": "published", "include": ["formal/add"], "items": 30},
        localizer={"lesion": {"tasks": []}},
    )
    line = error(capsys, "audit", "--configfile", config)
    assert line == "tasks.published: the audit is for tasks of data/ (remove the key)"
    out = tmp_path / "out"
    words = ("export-lm-eval", "--configfile", config, "formal/add", "--out", out)
    line = error(capsys, *words, "--seed", "3")
    assert line == "--seed: published items are not drawn (leave it out)"
    assert not out.exists()


@pytest.mark.parametrize("name", ["a*b", "what?", "[x]"])
def test_a_folder_that_the_harness_takes_for_a_pattern_is_refused(capsys, study, tmp_path, name):
    out = tmp_path / name
    line = error(capsys, "export-lm-eval", "--configfile", study(), "language/npi", "--out", out)
    sign = next(sign for sign in "*?[" if sign in name)
    what = f"the harness finds no documents below a path with '{sign}' in it"
    assert line == f"{out}: {what} (choose another folder)"


def test_circuits_cannot_be_exported_to_where_nothing_can_be_written(capsys, tmp_path):
    results = toy.study(tmp_path / "results")
    card = {"name": "one", "weights_hash": toy.HASH}
    assert card["weights_hash"] in (results / "one" / "model.json").read_text()
    line = error(capsys, "export", results, "--masks", tmp_path / "m", "--model", "two")
    assert line.startswith("--model: no model 'two' was run in the study (")


def test_only_a_place_of_ones_own_is_begun(capsys, tmp_path):
    folder = tmp_path / "mine"
    assert main(["init", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"{folder}/config.yaml", f"{folder}/README.md"]
    assert (folder / "README.md").read_text().splitlines()[0].endswith("mine")
    (folder / "README.md").unlink()
    line = error(capsys, "init", folder)
    assert line == (
        f"brodmann init {folder}: there is {folder}/config.yaml already (name another folder)"
    )
    assert not (folder / "README.md").exists()


def test_a_pack_of_many_files_with_paths_names_three_of_them(capsys, tmp_path):
    results = toy.study(tmp_path / "results")
    for number in range(5):
        (results / f"page{number}.html").write_text(f"made in {tmp_path}")
    out = tmp_path / "made.zip"
    assert main(["pack", str(results), "--out", str(out)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    named = ", ".join(f"results/page{number}.html" for number in range(3))
    assert first == f"Without paths of this machine: {named} and 2 more"
    (tmp_path / "file").write_text("")
    line = error(capsys, "pack", results, "--out", tmp_path / "file" / "made.zip")
    assert line.startswith(f"{tmp_path}/file/made.zip: cannot be written: ")


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--serve", "x", "must be a port from 0 to 65535, not 'x'"),
        ("--serve", "65536", "must be a port from 0 to 65535, not '65536'"),
    ],
)
def test_a_port_is_a_number_that_there_is(capsys, option, value, what):
    with pytest.raises(SystemExit, match="2"):
        main(["atlas", "results", option, value])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"argument {option}: {what}")


def test_a_port_that_somebody_has_cannot_be_had(capsys, tmp_path, monkeypatch):
    """The atlas is made, then it is served; Ctrl-C ends that without an error."""
    from brodmann.commands import atlas

    results = toy.study(tmp_path / "results")
    with atlas.server(tmp_path, 0) as taken:
        line = error(capsys, "atlas", results, "--serve", taken.server_port)
    assert line.startswith(f"--serve: port {taken.server_port} cannot be had: ")
    assert line.endswith(" (give another, or 0 for any that is free)")

    def stopped(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(atlas.ThreadingHTTPServer, "serve_forever", stopped)
    before = (results / "atlas" / "index.html").stat().st_mtime_ns
    assert main(["atlas", str(results), "--serve", "0"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("http://127.0.0.1:") and said.endswith(" (Ctrl-C ends it)\n\n")
    assert (
        results / "atlas" / "index.html"
    ).stat().st_mtime_ns == before  # what is there is served
    assert main(["atlas", str(results), "--single-file", str(tmp_path / "one.html")]) == 0
    assert capsys.readouterr().out.startswith(f"The atlas: {tmp_path}/one.html (")


def test_a_place_that_cannot_be_written_is_named(capsys, tmp_path):
    """By commands that say no more of it."""
    (tmp_path / "file").write_text("")
    assert error(capsys, "init", tmp_path / "file") == f"{tmp_path}/file: File exists"
    under = tmp_path / "file" / "study"
    assert error(capsys, "init", under) == f"{under}: Not a directory"
    long = tmp_path / ("n" * 300)
    assert error(capsys, "init", long) == f"{long}/config.yaml: File name too long"


def test_an_output_that_is_full_is_one_line(capsys, monkeypatch):
    def full(options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brodmann.commands.snakefile.run", full)
    assert error(capsys, "snakefile") == "the output: No space left on device"


def test_ctrl_c_ends_a_command_without_a_traceback(capsys, monkeypatch):
    def pressed(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("brodmann.commands.snakefile.run", pressed)
    assert main(["snakefile"]) == 130
    assert capsys.readouterr() == ("", "Stopped\n")
