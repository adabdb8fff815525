"""``brodmann profile install``: after it, snakemake --profile NAME works literally."""

import subprocess
import sys

import pytest
import yaml

from brodmann.cli import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "snakemake"


def test_a_copy_to_edit(root, home, capsys):
    assert main(["profile", "install", "slurm"]) == 0
    copy = home / "slurm" / "config.yaml"
    assert copy.read_text() == (root / "profiles/slurm/config.yaml").read_text()
    assert f"{copy}: edit it for your site" in capsys.readouterr().out


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
