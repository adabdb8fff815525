"""``--software-deployment-method``: every job goes to the image or the environment, and sees the workflow.

Scripts play Apptainer and conda: they take the calls as the real ones do, note them, and isolate nothing.
"""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from clone import TASKS

APPTAINER = """#!/bin/sh
# exec --home DIR [--bind X[:Y]] ... IMAGE sh -c COMMAND
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
printf '%s\\0' "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
while [ "$2" != -c ]; do shift; done
exec "$@"
"""
# An environment is a folder with a Python that has what brodmann needs, and notes what it is given.
CONDA = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path

words, base = sys.argv[1:], Path(__file__).parents[1]
if words == ["--version"]:
    print("conda 26.1.0")
elif words == ["info", "--json"]:
    print(json.dumps({{"conda_prefix": str(base), "platform": "linux-64"}}))
elif words[:2] == ["config", "--get"]:
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif words[0] != "clean":
    with open(os.environ["CALLS"], "a") as calls:
        print(json.dumps(words), file=calls)
    python = Path(words[words.index("--prefix") + 1], "bin", "python")
    python.parent.mkdir(parents=True)
    note = 'printf "%s\\\\n" "$CONDA_PREFIX $*" >> "$CALLS.python"'
    python.write_text(f'#!/bin/sh\\n{{note}}\\nexec "{sys.executable}" "$@"\\n')
    python.chmod(0o755)
"""
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'


@pytest.fixture
def calls(tmp_path, monkeypatch) -> Path:
    """Where the played programs, in ``bin`` beside it, note what they are asked."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def play(calls, name, text):
    program = calls.with_name("bin") / name
    program.write_text(text)
    program.chmod(0o755)


@pytest.mark.slow  # every job is a process of its own
def test_jobs_run_in_the_image(fresh, calls, monkeypatch):
    image = calls.with_name("own.sif")
    # The image's Python has what brodmann needs.
    play(calls, "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    play(calls, "apptainer", APPTAINER)
    image.touch()
    monkeypatch.setenv("BRODMANN_IMAGE", str(image))
    fresh.snakemake(
        "baselines", "--software-deployment-method", "apptainer", "--apptainer-args=--nv"
    )
    found = [line.split("\0") for line in calls.read_text().split("\0\n") if line]
    assert {re.search(r"\.(\w+)\.py", words[-1])[1] for words in found} == {"job"}
    # One for each job with a script.
    logs = [path for path in (fresh.path / "logs").rglob("*.log")]
    assert len(found) == len(logs) >= 8
    for words in found:
        assert words[:3] == ["exec", "--home", str(fresh.path)]
        assert words[-4] == str(image) and "--nv" in words
        bound = [words[n + 1] for n, word in enumerate(words) if word == "--bind"]
        assert str(fresh.path) in bound, shlex.join(words)
    assert fresh.baseline(TASKS[0])["included"]


@pytest.mark.slow  # every job is a process of its own
def test_jobs_run_in_the_conda_environment(fresh, calls):
    play(calls, "conda", CONDA)
    play(calls, "activate", ACTIVATE)
    fresh.snakemake("baselines", "--software-deployment-method", "conda")
    # One environment, made once, of the file that rules name.
    [made] = map(json.loads, calls.read_text().splitlines())
    assert made[:2] == ["env", "create"]
    asked, place = (made[made.index(option) + 1] for option in ("--file", "--prefix"))
    named = fresh.path / "workflow/envs/brodmann.yaml"
    assert Path(asked).read_text() == named.read_text()
    assert Path(place).parent == fresh.path / ".snakemake/conda"
    ran = Path(f"{calls}.python").read_text().splitlines()
    scripts = [line.split()[1] for line in ran if ".snakemake/scripts" in line]
    assert all(line.startswith(f"{place} ") for line in ran)
    assert {re.search(r"\.(\w+)\.py", script)[1] for script in scripts} == {"job"}
    logs = [path for path in (fresh.path / "logs").rglob("*.log")]
    assert len(scripts) == len(logs) >= 8
    assert fresh.baseline(TASKS[0])["included"]
    # Without it, every job is run again, and takes what was computed from the store.
    assert "Their software environment has changed" in fresh.snakemake("baselines", "-n").stdout
    before = len(fresh.ledger())
    fresh.snakemake("baselines")
    assert {entry["model_loads"] for entry in fresh.ledger()[before:]} == {0}
