"""What is asked for on the command line and is not there gets a line that says what to type."""

from pathlib import Path

import pytest

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.pipeline.arguments import refuse_unreadable
from brodmann.pipeline.targets import unknown

TARGETS = ["baselines", "masks", "report", "all"]
FILES = ["results/report.html", "results/methods.md", "results/figures/chord.pdf"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text("models: {}\n")
    made = tmp_path / "results/a/.store/lesion.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], []),
        (["results/a/.store/lesion.json"], []),  # made before, and asked for by force
        (
            ["results/reprot.html", "results/a/b"],
            [
                "results/reprot.html: no step makes this file (did you mean 'results/report.html'?)",
                "results/a/b: no step makes this file (docs/results.md lists what there is)",
            ],
        ),
        (["baseline"], ["baseline: no such target (did you mean 'baselines'?)"]),
        (["drawings"], ["drawings: no such target (allowed: all, baselines, masks, report)"]),
        (
            ["study.yaml"],
            [
                "study.yaml: is a config file, not a target (did you mean '--configfile study.yaml'?)"
            ],
        ),
    ],
)
def test_targets_that_there_are_not(asked, said):
    assert list(map(str, unknown(asked, TARGETS, FILES))) == said


@pytest.mark.parametrize(
    "words",
    [
        "baselines --configfile study.yaml",
        "--configfile study.yaml study.yaml --cores 2 baselines",
        "--cores 2 baselines",
        "",
    ],
)
def test_config_files_that_are_there(words):
    refuse_unreadable(words.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--cores 2 --configfile study.yaml baselines masks -n",
            "snakemake baselines masks --cores 2 --configfile study.yaml -n",
        ),
        ("--configfiles study.yaml report", "snakemake report --configfiles study.yaml"),
    ],
)
def test_a_target_is_not_taken_for_a_config_file(words, said, capsys):
    with pytest.raises(SystemExit, match="1"):
        refuse_unreadable(words.split())
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("ERROR: ") and f"(type: {said})" in line for line in lines)
    assert lines and lines[0].split()[1].rstrip(":") in TARGETS


def test_a_config_file_that_is_not_there(capsys):
    with pytest.raises(SystemExit, match="1"):
        refuse_unreadable(["--configfile", "nowhere.yaml", "--cores", "1"])
    assert capsys.readouterr().err == "ERROR: nowhere.yaml: no such config file\n"


def test_a_config_that_is_no_yaml_is_named_with_its_line(root, capsys):
    """In the words of brodmann's own reader, which comes too late for Snakemake."""
    for text in ("a: 1\nb:\n\tc: 2\n", "a: [1, 2\n", "a: b: c\n", "a: *nothing\n", "a: %b\n"):
        Path("odd.yaml").write_text(text)
        with pytest.raises(UserError) as told:
            load_config(["odd.yaml"], root=root)
        with pytest.raises(SystemExit, match="1"):
            refuse_unreadable(["--cores", "1", "--configfile", "study.yaml", "odd.yaml"])
        assert capsys.readouterr().err == f"ERROR: {told.value.problems[0]}\n"
    # JSON may hold tabs; what is wrong with the keys is said by whoever knows them.
    Path("odd.yaml").write_text('{"a":\n\t1}')
    refuse_unreadable(["--configfile", "odd.yaml"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["tasks.items=50"],
            "tasks.items=50: no key of a config (type: --config tasks='{items: 50}')",
        ),
        (
            ["networks.use.texts=9"],
            "networks.use.texts=9: no key of a config (type: --config networks='{use: {texts: 9}}')",
        ),
        (["tasks={items: 50}", "report"], "report: is not KEY=VALUE"),
        (["1a=2"], "1a=2: '1a' is no key of a config (e.g. --config tasks='{items: 50}')"),
    ],
)
def test_a_value_that_snakemake_cannot_take(given, said, capsys):
    with pytest.raises(SystemExit, match="1"):
        refuse_unreadable(["--cores", "2", "--config", *given, "-n"])
    assert capsys.readouterr().err == f"ERROR: --config {said}\n"
    refuse_unreadable(["--config", "tasks={items: 50, include: [a.b/c]}", "-n"])
