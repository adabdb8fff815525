"""``make coverage`` counts what runs after a trace of nnsight (tests/traced)."""

import json
import os
import subprocess
import sys

import pytest

# A block within five calls and within a generator. Every line is run, and every branch is taken but one.
LEFT = """
from nnsight.tracing.tracer import Tracer


class Left(Tracer):
    def __exit__(self, *given):
        return super().__exit__(*given)
"""
SCRIPT = """
from contextlib import nullcontext

from left import Left, Tracer


def block(tracer):
    with nullcontext(), tracer:
        inside = 1
    after = 2
    return after


def caller(tracer):
    found = block(tracer)
    for number in range(2):
        if number:
            found += 1
    return found


def outer(tracer):
    found = caller(tracer)
    found += 1
    return found


def each():
    for number in range(2):
        yield outer(Tracer() if number else Left())
        found = number
        if found:
            found = 0


def main():
    total = 0
    for one in each():
        total += one
        if one < 0:
            total = 0  # never
    return total


total = main()
if total > 0:
    total = 0
"""


@pytest.mark.slow
def test_what_runs_after_a_trace_is_counted(root, tmp_path):
    script, report = tmp_path / "traced.py", tmp_path / "report.json"
    script.write_text(SCRIPT)
    (tmp_path / "left.py").write_text(LEFT)
    (tmp_path / "settings").write_text("[run]\nbranch = true\n")
    coverage = [sys.executable, "-m", "coverage"]
    settings = ["--rcfile=settings", "--data-file=counted"]
    env = {**os.environ, "PYTHONPATH": str(root / "tests" / "traced")}
    for command in (
        ["run", *settings, f"--include={script}", str(script)],
        ["json", *settings, "-o", str(report)],
    ):
        subprocess.run([*coverage, *command], cwd=tmp_path, env=env, check=True)
    [found] = json.loads(report.read_text())["files"].values()
    lines = SCRIPT.splitlines()
    assert [lines[number - 1].strip() for number in found["missing_lines"]] == [
        "total = 0  # never"
    ]
    ends = [lines[start - 1].strip() for start, _ in found["missing_branches"]]
    assert ends == ["if one < 0:", "if total > 0:"]


def test_the_target_puts_it_on_the_path_of_every_process(root):
    lines = (root / "Makefile").read_text(encoding="utf-8").splitlines()
    [run] = [line for line in lines if "coverage run" in line]
    assert 'PYTHONPATH="$(CURDIR)/tests/traced' in run
    assert (root / "tests/traced/sitecustomize.py").is_file()
