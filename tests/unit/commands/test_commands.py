"""Every command is a file, and every file a command that can say what it is given."""

import pytest

from brodmann.cli import COMMANDS, main
from brodmann.tasks import domains


def test_every_file_is_a_command(root):
    files = {path.stem for path in (root / "src/brodmann/commands").glob("[a-z]*.py")}
    assert files - {"common"} == {name.replace("-", "_") for name in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert f"usage: brodmann {command}" in said and "options:" in said


def test_a_command_that_does_not_exist(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["plot"])
    assert "invalid choice: 'plot'" in capsys.readouterr().err


def test_tasks_are_listed_with_what_they_are(tmp_path, capsys, root):
    config = tmp_path / "study.yaml"
    config.write_text(
        'models: {a: {source: "hf:o/x"}}\ntasks: {include: [language/npi], items: 30}\n'
    )
    assert main(["tasks", "--configfile", str(config)]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["task", "title", "domain", "items", "wordings"]
    assert line.split() == [
        "language/npi",
        "negative",
        "polarity",
        "language",
        "30",
        "completion",
        "chat",
    ]


def test_the_audit_says_what_its_numbers_are(capsys):
    main(["audit", "language/npi", "-n", "30"])
    said = capsys.readouterr().out
    assert "| language/npi |" in said and "completion / chat wording" in said
    assert "both directions" in said and " in 1 task.\n" in said


def test_a_broken_task_hides_no_other(tmp_path, capsys, root, monkeypatch):
    """All that can be read are listed, then what is wrong with the others."""
    for name in ("lexicons", "language/domain.yaml", "language/npi.yaml"):
        place = tmp_path / "data" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(root / "data" / name)
    (tmp_path / "stimuli").symlink_to(root / "stimuli")
    (tmp_path / "data/language/broken.yaml").write_text("title: [unfinished\n")
    config = tmp_path / "config.yaml"
    config.write_text('models: {a: {source: "hf:o/x"}}\ntasks: {include: [language/npi]}\n')
    for module in ("common", "tasks"):
        monkeypatch.setattr(f"brodmann.commands.{module}.ROOT", tmp_path)
    # A setting that names tasks that are not here would be an error of its own.
    config.write_text(config.read_text() + "localizer: {lesion: {tasks: []}}\n")
    assert main(["tasks", "--all", "--configfile", str(config)]) == 1
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["task", "language/npi"]
    assert said.err.startswith("ERROR: ") and "broken.yaml" in said.err
    assert said.err.count("\n") == 1


def test_what_a_domain_says_stops_no_command_that_does_not_need_it(tmp_path, capsys, monkeypatch):
    """One line of warning; all other commands have one line of error."""
    folder = tmp_path / "own" / "music"
    folder.mkdir(parents=True)
    (folder / "domain.yaml").write_text("name: Music\ncolour: teal\n")
    (folder / "pitch.yaml").write_text("title: pitches\n")
    config = tmp_path / "study.yaml"
    config.write_text(
        f"models: {{a: {{source: 'path:{tmp_path}/none'}}}}\ntasks: {{folder: own}}\n"
    )
    (tmp_path / "none").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(domains.OWN, raising=False)
    monkeypatch.setattr(domains, "use", lambda _: None)  # other tests know no such folder
    asked = ["--configfile", str(config)]
    place = f"{folder}/domain.yaml"
    assert main(["where", *asked]) == 0
    said = capsys.readouterr()
    assert "Nothing has been made yet" in said.out
    assert said.err.count("\n") == 1
    assert said.err.startswith(f"WARNING: {place}: colour: 'teal' is not a colour")
    assert f"{place}: text: missing" in said.err
    # Of a folder without a model, this is all that is wrong.
    wish = ["--model", "a", "--ratio", "0.5", "--out", str(tmp_path / "small")]
    assert main(["prune", *asked, *wish]) == 1
    warning, *errors = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"WARNING: {place}")
    assert errors and not any("domain.yaml" in line for line in errors)
    assert any(f"{tmp_path}/none" in line for line in errors)
    assert main(["tasks", *asked]) == 1
    said = capsys.readouterr().err
    assert f"{place}: colour: 'teal' is not a colour" in said and "WARNING" not in said
