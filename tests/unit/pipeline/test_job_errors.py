"""How a job ends that cannot go on: a line for what the machine refused, a traceback for what is a bug."""

import errno
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Namedlist

from brodmann.config.load import load_config
from brodmann.errors import Problem, UserError
from brodmann.pipeline import job
from brodmann.store.progress import LOGS_ARE_SHOWN

ROOM = "make room, then run the same command again: what is finished is kept"
RIGHTS = "give yourself the right to write there, or use --directory"


@pytest.fixture
def rule(root, tmp_path, monkeypatch):
    monkeypatch.delenv(LOGS_ARE_SHOWN, raising=False)
    study = load_config([root / "config.yaml"], root=root).study.to_dict()
    return SimpleNamespace(
        rule="overlap", log=[str(tmp_path / "logs/job.log")], config={"study": study}
    )


def ended(rule, error):
    """The exit code of a job in which this error is raised."""
    with pytest.raises(SystemExit) as end, job.running(rule):
        raise error
    return end.value.code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "full", "results/a.csv"),
            f"results/a.csv: {os.strerror(errno.ENOSPC)} ({ROOM})",
        ),
        (OSError(errno.EACCES, "no"), f"writing: {os.strerror(errno.EACCES)} ({RIGHTS})"),
        (
            OSError(errno.EIO, "bad", b"/disk/a"),
            f"/disk/a: {os.strerror(errno.EIO)} (then run the same command again)",
        ),
        (
            RuntimeError(f"write failed: {os.strerror(errno.ENOSPC)} (os error 28)"),
            f"writing: {os.strerror(errno.ENOSPC)} ({ROOM})",
        ),
        (MemoryError(), "overlap: this job does not fit into memory (give it more)"),
        (UserError(Problem("a", "one"), Problem("b", "two")), "a: one\nERROR: b: two"),
    ],
)
def test_what_is_no_bug_is_said_without_a_traceback(rule, capsys, error, line):
    before = sys.stderr
    assert ended(rule, error) == 1 and sys.stderr is before
    assert capsys.readouterr().err.splitlines() == f"ERROR: {line}".splitlines()
    assert Path(rule.log[0]).read_text() == f"ERROR: {line}\n"


def test_a_bug_is_told_in_full_in_the_log_and_in_a_line_on_the_terminal(rule, capsys, monkeypatch):
    assert ended(rule, ZeroDivisionError("of a test")) == 1
    place = rule.log[0]
    assert capsys.readouterr().err == f"ERROR: ZeroDivisionError: of a test (see {place})\n"
    log = Path(place).read_text()
    assert log.startswith("Traceback") and log.endswith("ZeroDivisionError: of a test\n")
    monkeypatch.setenv(LOGS_ARE_SHOWN, "1")  # whoever shows the log shows this
    assert ended(rule, ZeroDivisionError("of a test")) == 1
    assert capsys.readouterr().err == ""


def test_a_rule_without_a_log_has_the_terminal(rule, capsys):
    rule.log = []
    assert ended(rule, ZeroDivisionError("of a test")) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and said.count("of a test") == 1
    assert ended(rule, UserError.at("a", "one")) == 1
    assert capsys.readouterr().err == "ERROR: a: one\n"


def test_a_log_that_cannot_be_written_ends_the_job_before_it_begins(rule, tmp_path, capsys):
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(SystemExit) as end, job.running(rule):
        pytest.fail("the job began")
    assert end.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR: {tmp_path}/logs: ") and os.strerror(errno.EEXIST) in line


def test_a_shard_knows_its_part_and_a_pass_what_came_before_it():
    where = Namedlist(fromdict={"model": "a", "shard": "2", "shards": "3"})
    markers = ["results/a/.store/shards/ablation.1-of-2.json"]
    own = SimpleNamespace(rule="ablation_shard", wildcards=where, input=Namedlist())
    found = job._part(own)
    assert found["manifest"] == "results/a/.store/ablation.json"
    share = found["share"]
    assert (share.number, share.of, share.whole) == (2, 3, False)
    assert share.marker == "results/a/.store/shards/ablation.2-of-3.json"
    whole = SimpleNamespace(
        rule="ablation_pass", wildcards=where, input=Namedlist(fromdict={"shards": markers})
    )
    [(name, share)] = job._part(whole).items()
    assert name == "share" and share.whole and share.before == tuple(markers)
