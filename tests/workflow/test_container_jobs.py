"""``--software-deployment-method apptainer``: every job goes to the image, and sees the workflow.

Apptainer is played by a script: it takes the calls as Apptainer does, notes them, and isolates nothing.
"""

import os
import re
import shlex
import sys

import pytest
from clone import TASKS

PLAYED = """#!/bin/sh
# exec --home DIR [--bind X[:Y]] ... IMAGE sh -c COMMAND
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
printf '%s\\0' "$@" >> "$CALLS"
printf '\\n' >> "$CALLS"
while [ "$2" != -c ]; do shift; done
exec "$@"
"""


@pytest.mark.slow  # every job is a process of its own
def test_jobs_run_in_the_image(fresh, tmp_path, monkeypatch):
    programs, calls, image = tmp_path / "bin", tmp_path / "calls", tmp_path / "own.sif"
    programs.mkdir()
    # The image's Python has what brodmann needs.
    python = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    for name, text in (("apptainer", PLAYED), ("python", python)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    image.touch()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(calls))
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
