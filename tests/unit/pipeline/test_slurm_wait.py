"""How `brodmann check --cluster` waits for its job, and what it says of one that fails; with real programs in
the place of Snakemake and of SLURM's commands."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brodmann.errors import UserError
from brodmann.pipeline.slurm import trial
from brodmann.pipeline.slurm.node import Node
from brodmann.pipeline.slurm.trial import Trial

QUEUE = """#!/bin/sh
case "$*" in
  *StdOut*) cat {bin}/jobs 2>/dev/null ;;
  *) {states} ;;
esac
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A queue in which one job of the folder ``work`` is; ``says``: what squeue answers of its state."""
    (tmp_path / "bin").mkdir()
    folder = tmp_path / "work"
    (folder / ".snakemake" / "slurm_logs").mkdir(parents=True)
    log = folder / ".snakemake" / "slurm_logs" / "7.log"

    def play(states, job=True):
        row = f"{'7':<32}{log}\n" if job else ""
        (tmp_path / "bin" / "jobs").write_text(row)
        commands = {"squeue": QUEUE.format(bin=tmp_path / "bin", states=states)}
        commands["scancel"] = (
            f"#!/bin/sh\necho $* > {tmp_path}/cancelled; : > {tmp_path}/bin/jobs\n"
        )
        for name, text in commands.items():
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        return folder

    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(trial, "_POLL_S", 0.01)
    return play


def row(state, node="", reason=""):
    return f"printf '%-32s%-64s%-256s\\n' {state} '{node}' '{reason}'"


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (row("RUNNING", "node7"), "job 7 is running on node7"),
        (row("COMPLETING"), "job 7 is completing"),
        (
            row("PENDING", reason="Resources"),
            "job 7 waits in the queue, reason Resources: the nodes that it asks for are busy",
        ),
        (
            row("PENDING", reason="QOSMaxJobsPerUserLimit"),
            "job 7 waits in the queue, reason QOSMaxJobsPerUserLimit: a limit of the QOS is reached",
        ),
        (row("PENDING", reason="Licenses"), "job 7 waits in the queue, reason Licenses"),
        (":", ""),
        ("exit 1", ""),
    ],
)
def test_the_state_of_the_job_is_said_in_words(slurm, states, words):
    assert trial._state(slurm(states)) == words


def test_without_a_job_in_the_queue_nothing_is_said(slurm):
    assert trial._state(slurm("echo never asked", job=False)) == ""


def test_each_change_of_the_state_is_said_once(slurm, tmp_path):
    """The job waits, runs, and is gone when Snakemake ends."""
    folder = slurm(f"cat {tmp_path}/state")
    state = tmp_path / "state"
    state.write_text(f"{'PENDING':<96}Priority\n")
    said = []

    def say(words):
        said.append(words)
        if len(said) == 1:
            state.write_text(f"{'RUNNING':<32}node7\n")
        else:
            (tmp_path / "bin" / "jobs").write_text("")
            (tmp_path / "end").touch()

    command = ["sh", "-c", f"echo of Snakemake; until [ -e {tmp_path}/end ]; do sleep 0.01; done"]
    log = tmp_path / "check.log"
    trial._wait(command, folder, log, 60.0, say)
    assert said == [
        "job 7 waits in the queue, reason Priority: other jobs come first",
        "job 7 is running on node7",
    ]
    assert log.read_text() == "of Snakemake\n"
    assert not (tmp_path / "cancelled").exists()


@pytest.fixture
def ctrl_c():
    """Processes hear it: tests may run in the background, where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("job", [True, False])
def test_a_job_that_takes_too_long_is_cancelled(slurm, tmp_path, job, capsys, ctrl_c):
    folder = slurm(row("PENDING", reason="Priority"), job)
    log = tmp_path / "check.log"
    with pytest.raises(UserError) as error:
        trial._wait(["sleep", "60"], folder, log, 0.0, lambda _: None)
    waits = "job 7 waits in the queue, reason Priority: other jobs come first"
    state = waits if job else "no job was submitted yet"
    fix = f"it is cancelled; --wait SECONDS waits longer; see {log}"
    assert str(error.value) == f"check --cluster: no answer after 0 s: {state} ({fix})"
    assert (tmp_path / "cancelled").exists() == job
    assert ("Cancelling jobs" in capsys.readouterr().err) == job


class Deaf:
    """A process that does not hear Ctrl-C."""

    def __init__(self):
        self.done = []

    def poll(self):
        return None

    def send_signal(self, number):
        self.done.append(number.name)

    def wait(self, timeout=None):
        self.done.append(timeout)
        if timeout is not None:
            raise subprocess.TimeoutExpired("snakemake", timeout)

    def kill(self):
        self.done.append("kill")


def test_a_snakemake_that_does_not_end_is_killed(slurm):
    process = Deaf()
    trial._stop(process, slurm(":", job=False))
    assert process.done == ["SIGINT", 30, "kill", None]


@pytest.mark.parametrize(
    ("snakemake", "job", "line"),
    [
        (
            "x\nThe error message was 'sbatch: error: Invalid qos\n specification'.\nmore\n",
            "",
            "sbatch refused the job: sbatch: error: Invalid qos specification",
        ),
        (
            "SLURM job submission failed with exception: no such account\n",
            "",
            "the job was not submitted: no such account",
        ),
        (
            "Error in rule look\n",
            "begins\nImportError: no module named x\nends\n",
            "the job failed: ImportError: no module named x",
        ),
        ("Error in rule look\n", "begins\nends\n", "the job failed: ends"),
        ("Building DAG\nnothing more\n\n", "", "the job failed: nothing more"),
        ("", "", "the job failed: no word of it"),
    ],
)
def test_what_went_wrong_is_said_in_a_line(slurm, tmp_path, snakemake, job, line):
    """The job's own words go into the log, too."""
    folder, log = slurm(":", job=False), tmp_path / "check.log"
    if job:
        (folder / ".snakemake" / "slurm_logs" / "7.log").write_text(job)
    (tmp_path / "words").write_text(snakemake)
    command = ["sh", "-c", f"cat {tmp_path}/words; exit 1"]
    with pytest.raises(UserError) as error:
        trial._wait(command, folder, log, 60.0, lambda _: None)
    assert str(error.value) == f"check --cluster: {line} (see {log})"
    assert log.read_text() == snakemake + job


def test_the_job_is_submitted_as_those_of_a_study(tmp_path, monkeypatch, root):
    """What Snakemake is given; what the job writes is what comes back, and its folder is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial, "_refuse_other_profiles", lambda name: None)
    written = {"name": "node7", "partition": "gpu", "cpus": 2, "gpus": [["H100", 8]]}
    written |= {"driver_gpus": [], "torch": {"version": "2", "cuda": "13", "error": ""}}
    written |= {"places": {}, "software": {}}
    seen = {}

    def wait(command, folder, log, patience_s, say):
        seen.update(command=command, patience=patience_s, log=log)
        given = command[command.index("--config") + 1 :]
        seen["given"] = {
            key: json.loads(value) for key, _, value in (g.partition("=") for g in given)
        }
        seen["marks"] = [(place / seen["given"]["mark"]).exists() for place in (tmp_path, cache)]
        assert Path(command[command.index("--directory") + 1]) == folder
        (folder / "node.json").write_text(json.dumps(written))

    cache = tmp_path / "cache"
    monkeypatch.setattr(trial, "_wait", wait)
    node = trial.run(Trial("slurm", root / "Snakefile", str(cache), 1, 30.0), print)
    assert isinstance(node, Node) and node.gpus == [("H100", 8)] and node.torch.cuda == "13"
    assert seen["marks"] == [True, True] and seen["patience"] == 30.0
    assert seen["given"]["gpu"] == 1 and seen["given"]["study"] == str(tmp_path)
    command = seen["command"]
    assert command[:5] == [sys.executable, "-m", "snakemake", "--profile", "slurm"]
    assert seen["log"] == tmp_path / "logs" / "check_cluster.log"
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "logs"}
    assert list(cache.iterdir()) == []
    del written["torch"]
    with pytest.raises(UserError, match=r"node\.json: is incomplete"):
        trial.run(Trial("slurm", root / "Snakefile", str(cache), 1, 30.0), print)


def test_a_profile_that_is_no_yaml_is_said_in_a_line(tmp_path):
    (tmp_path / "config.yaml").write_text("executor: [slurm\n")
    with pytest.raises(UserError) as error:
        trial._refuse_other_profiles(str(tmp_path))
    line = str(error.value)
    assert line.startswith(f"{tmp_path}/config.yaml: is not YAML: ") and "\n" not in line
