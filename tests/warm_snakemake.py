"""Snakemake, imported once for many runs: a run costs a second less, of the two that a dry run takes.

As a program it reads a line of JSON for each run, forks, and lets the child be that run. What is of
brodmann is imported by the child. Its answer is the exit status of the run.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Names of variables that an interpreter, or a library, reads when it starts.
_AT_START = ("PYTHON", "COVERAGE", "LD_", "SNAKEMAKE", "OMP_", "ATEN_", "MKL_")


def run_snakemake(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    """`snakemake` in ``folder``: its exit status, and stdout and stderr together."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    warm = _warm(*sorted(_at_start().items()))
    with tempfile.NamedTemporaryFile() as said:
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(os.environ)}
        status = warm.run({**asked, "said": said.name})
        return subprocess.CompletedProcess(command, status, said.read().decode(errors="replace"))


@functools.cache
def _warm(*at_start: tuple[str, str]) -> _Warm:
    """The process for runs that would start with these variables: those of now."""
    return _Warm()


class _Warm:
    """A process that has imported Snakemake; it ends with this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, asked: dict) -> int:
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _at_start() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_AT_START)}


def _serve() -> None:
    import snakemake.cli

    snakemake.cli.get_argument_parser()  # which imports its plugins
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os.close(answers)
            break
        _, status = os.waitpid(child, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    else:
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    said = os.open(asked["said"], os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["snakemake", *asked["arguments"]]
    sys.path[0] = ""  # as python -m has it
    snakemake.cli.main()


if __name__ == "__main__":
    _serve()
