"""Jobs of a killed run in the queue: recognised by where they write, cancelled once."""

import os
import time
from types import SimpleNamespace

import pytest

from brodmann.pipeline import cluster
from brodmann.pipeline.cluster import cancel_leftovers, leftovers

SQUEUE = """#!/bin/sh
[ -e {folder}/hang ] && exit 1
while read -r number output; do
  [ -e {folder}/cancelled ] && grep -qw "$number" {folder}/cancelled && continue
  printf '%-32s%-400s\\n' "$number" "$output"
done < {folder}/queue
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A stand-in for SLURM: a file of jobs, and what was cancelled."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "squeue": SQUEUE.format(folder=folder),
        "scancel": f'#!/bin/sh\necho "$@" >> {folder}/cancelled\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def fill(*jobs):
        (folder / "queue").write_text("".join(f"{number} {output}\n" for number, output in jobs))
        return folder

    return fill


def logs(study, rule="rule_confounds"):
    return f"{study}/.snakemake/slurm_logs/{rule}/%j.log"


def submitted_from(study):
    """A folder that the executor plugin has worked in."""
    (study / ".snakemake" / "slurm_logs").mkdir(parents=True)


def test_only_jobs_of_this_folder_are_cancelled(queue, tmp_path, capsys):
    study, other = tmp_path / "study", tmp_path / "study2"
    submitted_from(study)
    folder = queue(
        (7, logs(study)),
        (8, logs(other)),
        # The driver itself as a job, and a user's own job in the same folder.
        (9, f"{study}/slurm-9.out"),
        (10, logs(study, "group_start_baseline_pass")),
    )
    assert leftovers(study) == ["7", "10"]
    assert cancel_leftovers(study) == ["7", "10"]
    assert (folder / "cancelled").read_text() == "7 10\n"
    assert "7 10" in capsys.readouterr().err
    assert cancel_leftovers(study) == []


def test_a_link_to_the_folder_is_the_folder(queue, tmp_path):
    study = tmp_path / "study"
    submitted_from(study)
    (tmp_path / "link").symlink_to(study)
    queue((7, logs(tmp_path / "link")))
    assert leftovers(study) == ["7"]


def test_a_queue_that_does_not_answer_stops_nothing(queue, tmp_path, capsys):
    submitted_from(tmp_path)
    folder = queue((7, logs(tmp_path)))
    (folder / "hang").touch()
    assert cancel_leftovers(tmp_path) == []
    assert "squeue" in capsys.readouterr().err


def test_where_nothing_was_submitted_the_queue_is_not_asked(queue, tmp_path, capsys):
    folder = queue((7, logs(tmp_path)))
    (folder / "hang").touch()
    assert cancel_leftovers(tmp_path) == []
    assert capsys.readouterr().err == ""


def test_without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cancel_leftovers(tmp_path) == []


def test_jobs_that_do_not_end_are_not_waited_for_for_ever(queue, tmp_path, capsys, monkeypatch):
    submitted_from(tmp_path)
    folder = queue((7, logs(tmp_path)))
    (folder / "scancel").write_text("#!/bin/sh\nexit 0\n")
    assert cancel_leftovers(tmp_path, patience_s=-1.0) == ["7"]
    told = "They do not end; going on without waiting for them."
    assert capsys.readouterr().err.splitlines()[1:] == [told]
    # One that takes a while is waited for.
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        queue()

    # Its own alone: subprocess sleeps, too, where a busy machine lets it wait for squeue.
    own = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr(cluster, "time", own)
    assert cancel_leftovers(tmp_path) == ["7"] and slept == [1.0]
    assert told not in capsys.readouterr().err
