"""What is asked for on the command line and is not there gets a line that says what to type."""

import pytest

from brodmann.pipeline.arguments import refuse_missing_configs
from brodmann.pipeline.targets import unknown

TARGETS = ["baselines", "masks", "report", "all"]


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
        (["masks", "results/a/masks/neurons/x.csv"], []),
        (["results/a/.store/lesion.json"], []),  # made before, and asked for by force
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
    assert list(map(str, unknown(asked, TARGETS))) == said


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
    refuse_missing_configs(words.split())


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
        refuse_missing_configs(words.split())
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("ERROR: ") and f"(type: {said})" in line for line in lines)
    assert lines and lines[0].split()[1].rstrip(":") in TARGETS


def test_a_config_file_that_is_not_there(capsys):
    with pytest.raises(SystemExit, match="1"):
        refuse_missing_configs(["--configfile", "nowhere.yaml", "--cores", "1"])
    assert capsys.readouterr().err == "ERROR: nowhere.yaml: no such config file\n"
