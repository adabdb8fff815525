"""Jobs side by side take different GPUs; no GPU is needed to see it."""

import os
import select
import signal
import subprocess
import sys

import pytest

from brodmann.runner import gpus

JOB = """
import os, sys, time
from brodmann.runner import gpus
gpus.claim(int(sys.argv[1]), folder=sys.argv[2], poll_s=0.05)
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path):
    """Start a job that claims GPUs, tells which, and holds them until its input is closed."""
    started = []

    def start(count=1, visible="0,1"):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": visible}
        process = subprocess.Popen(
            [sys.executable, "-c", JOB, str(count), str(tmp_path / "locks")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def here(monkeypatch, tmp_path):
    """No NVIDIA tools, nothing held after the test."""
    monkeypatch.setattr(gpus, "_held", [])
    monkeypatch.setattr(gpus, "_uuids", dict)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")

    def claim(count):
        return gpus.claim(count, folder=tmp_path / "locks", poll_s=0.02)

    return claim


def took(process):
    return process.stdout.readline().strip()


def waits(process, seconds=1.0):
    return not select.select([process.stdout], [], [], seconds)[0]


def test_jobs_take_different_gpus_and_a_third_waits(job):
    first, second = job(), job()
    assert {took(first), took(second)} == {"0", "1"}
    third = job()
    assert waits(third)
    first.stdin.close()
    assert took(third) in ("0", "1")


def test_a_killed_job_leaves_its_gpu(job):
    first = job(visible="5,7")
    assert took(first) == "5"
    second = job(count=1, visible="5,7")
    assert took(second) == "7"
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert took(job(visible="5,7")) == "5"


def test_a_large_model_takes_several_at_once_or_none(job):
    one, two = job(visible="0,1,2"), job(count=2, visible="0,1,2")
    found = [took(one), took(two)]
    assert sorted(",".join(found)) == [",", ",", "0", "1", "2"]
    wide = job(count=2, visible="0,1,2")
    assert waits(wide)
    one.stdin.close()
    one.wait()
    # One is free: it stays free for jobs that need no more.
    assert took(job(visible="0,1,2")) == found[0]


def test_only_what_is_visible_is_taken(here):
    assert here(2) == ["0", "1"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


@pytest.mark.parametrize(("visible", "count"), [("3", 1), ("GPU-a,GPU-b", 2), ("", 1), ("0,1", 0)])
def test_without_a_choice_nothing_changes(here, monkeypatch, visible, count):
    """As in a job of a cluster, which hands out GPUs itself."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert here(count) == []
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_without_the_variable_gpus_are_named_by_uuid(monkeypatch, tmp_path):
    """A number would mean another GPU to CUDA than to nvidia-smi."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU-aa'; echo '1, GPU-bb'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "unset below")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(gpus, "_held", [])
    assert gpus.visible() == ["GPU-aa", "GPU-bb"]
    assert gpus.claim(1, folder=tmp_path / "locks") == ["GPU-aa"]
    # The same GPU by its number: the lock has one name.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus.claim(1, folder=tmp_path / "locks") == ["1"]


def test_a_machine_without_nvidia_tools(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "unset below")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpus.visible() == []
    assert gpus.claim(1, folder=tmp_path / "locks") == []
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
