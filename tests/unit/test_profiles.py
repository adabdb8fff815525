"""``brodmann profile install``: after it, snakemake --profile NAME works literally."""

import subprocess
import sys

import pytest
import yaml
from slurm_sites import play

from brodmann.cli import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "bin").mkdir()
    # No SLURM that answers, whatever this machine has.
    play("nowhere", tmp_path / "bin", monkeypatch)
    return tmp_path / "config" / "snakemake"


def test_a_copy_to_edit(root, home, capsys):
    assert main(["profile", "install", "slurm"]) == 0
    copy = home / "slurm" / "config.yaml"
    assert copy.read_text() == (root / "profiles/slurm/config.yaml").read_text()
    out = capsys.readouterr().out
    assert f"{copy}: edit it for your site" in out and "Not found out: partitions: sinfo" in out


def test_an_edited_copy_is_kept(home, capsys):
    copy = home / "slurm" / "config.yaml"
    assert main(["profile", "install", "slurm"]) == 0
    assert main(["profile", "install", "slurm"]) == 0
    copy.write_text("jobs: 3\n")
    assert main(["profile", "install", "slurm"]) == 1
    assert "--force" in capsys.readouterr().err
    assert copy.read_text() == "jobs: 3\n"
    assert main(["profile", "install", "slurm", "--force"]) == 0
    assert yaml.safe_load(copy.read_text())["executor"] == "slurm"
    assert copy.with_name("config.yaml.old").read_text() == "jobs: 3\n"


def test_a_site_fills_it_in(root, home, tmp_path, monkeypatch, capsys):
    play("accounts", tmp_path / "bin", monkeypatch)
    assert main(["profile", "install", "slurm", "--reservation", "course"]) == 0
    out = capsys.readouterr().out
    assert "account        biology" in out and "brodmann check --cluster" in out
    text = (home / "slurm" / "config.yaml").read_text()
    profile = yaml.safe_load(text)
    assert profile["slurm-reservation"] == "course" and profile["jobs"] == 20
    # What was chosen is in the lines of the examples: all else is as it ships.
    kept = (root / "profiles/slurm/config.yaml").read_text().splitlines()
    new = [line for line in text.splitlines() if line not in kept]
    keys = {line.strip().partition(":")[0] for line in new}
    assert keys >= {"slurm_partition", "slurm_account", "qos", "slurm-reservation", "jobs"}
    rules = {rule for rule in keys if rule.endswith("_pass")} | {"check_model", "set-resources"}
    assert keys - rules == {"slurm_partition", "slurm_account", "qos", "slurm-reservation", "jobs"}


def test_a_dry_run_writes_nothing(home, tmp_path, monkeypatch, capsys):
    play("kinds", tmp_path / "bin", monkeypatch)
    assert main(["profile", "install", "slurm", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "GPU partition  gpu" in out and "executor: slurm" in out
    assert not home.exists()
    main(["profile", "install", "slurm"])
    copy = home / "slurm" / "config.yaml"
    before = copy.read_text()
    capsys.readouterr()
    # A plan for another partition shows what would change, and changes nothing.
    assert main(["profile", "install", "slurm", "--dry-run", "--gpu-partition", "debug"]) == 0
    changed = [line for line in capsys.readouterr().out.splitlines() if line[:1] in "+-"]
    assert "+  slurm_partition: \"'debug' if threads > 1 else 'cpu'\"" in changed
    assert copy.read_text() == before
    main(["profile", "install", "slurm", "--dry-run"])
    assert "would not change" in capsys.readouterr().out


def test_wishes_need_a_site_that_answers(home, capsys):
    assert main(["profile", "install", "slurm", "--qos", "high"]) == 1
    assert "nothing to choose from" in capsys.readouterr().err
    assert main(["profile", "install", "local", "--qos", "high"]) == 1
    assert "only slurm has partitions" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize("name", ["default", "sulrm"])
def test_others_are_named(home, name, capsys):
    assert main(["profile", "install", name]) == 1
    assert "local, multi-gpu, slurm" in capsys.readouterr().err
    assert not home.exists()


def test_snakemake_finds_it_by_its_name(root, home, tmp_path):
    assert main(["profile", "install", "multi-gpu"]) == 0
    command = [sys.executable, "-m", "snakemake", "--profile", "multi-gpu", "--dry-run", "models"]
    done = subprocess.run(
        [*command, "--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path / "run")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fetch_model" in done.stdout
