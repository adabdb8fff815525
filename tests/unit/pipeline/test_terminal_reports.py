"""What a user reads of rare reports: of jobs that share an allocation, are tried again, or are ended by a
cluster."""

import io
import logging
import os
import re
import time
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.pipeline import terminal as terminals
from brodmann.pipeline.dry_run import DryRun, in_words
from brodmann.pipeline.terminal import Terminal, take_over

RULES = {"expand_items": "items", "ablation_pass": "ablation", "ablation_shard": "ablation"}


def planned(rule, **wildcards):
    where = SimpleNamespace(**wildcards)
    return SimpleNamespace(
        rule=SimpleNamespace(name=rule), output=["made"], shellcmd=None, wildcards=where
    )


class Seen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


class Heard:
    """A terminal, and the reports of a run of these jobs."""

    def __init__(self, tmp_path, jobs, stream=None, local=True):
        self.stream, self.jobs = stream or io.StringIO(), jobs
        self.found = []
        workflow = SimpleNamespace(
            dag=SimpleNamespace(needrun_jobs=lambda: jobs, jobid=jobs.index),
            get_rule=lambda rule: SimpleNamespace(
                snakefile=tmp_path / "rules" / "circuits" / f"{RULES.get(rule, 'other')}.smk"
            ),
            local_exec=local,
            overwrite_workdir=None,
        )
        self.terminal = Terminal(
            self.stream, workflow, lambda job: None, lambda: self.found.append("found")
        )

    def plan(self, targets=0):
        self.report(LogEvent.RUN_INFO, stats={"total": len(self.jobs) + targets})

    def report(self, event, **about):
        self.terminal.handle(logging.makeLogRecord({"event": event, **about}))

    def start(self, number, words="words", **about):
        rule = self.jobs[number].rule.name
        given = {"rule_name": rule, "rule_msg": words, "output": ["made"], "log": []}
        given |= {"jobid": number, "wildcards": {"model": "a"}, "local": False, **about}
        self.report(LogEvent.JOB_INFO, **given)

    def fail(self, number, **about):
        rule = self.jobs[number].rule.name
        given = {"jobid": number, "rule_name": rule, "rule_msg": "", "log": []}
        self.report(LogEvent.JOB_ERROR, **{**given, **about})

    def tell(self, text, level=logging.INFO):
        self.terminal.handle(logging.makeLogRecord({"msg": text, "levelno": level}))

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Heard(tmp_path, [planned("expand_items"), planned("ablation_pass", model="a")])
    found.plan()
    return found


def test_shards_are_counted_by_model_and_stage(tmp_path):
    """The one that makes what all others need is none."""
    shards = [planned("ablation_shard", model="a", shard=str(n), shards="3") for n in range(4)]
    heard = Heard(tmp_path, [*shards, planned("ablation_pass", model="a")])
    heard.plan()
    assert heard.lines == ["Shared by several jobs: a ablation (3)"]


def test_a_target_says_its_own_words_and_is_no_step(tmp_path):
    target = SimpleNamespace(rule=SimpleNamespace(name="models"), output=[], shellcmd=None)
    heard = Heard(tmp_path, [planned("expand_items"), target])
    heard.plan()
    heard.start(0)
    heard.start(1, "The models are checked", output=[], shellcmd=None)
    heard.report(LogEvent.PROGRESS, done=2, total=2)
    assert heard.lines == ["[0 of 1] Writing the items of the tasks", "The models are checked"]
    heard.terminal.finished()
    assert heard.lines[2].startswith("All 1 steps are done (") and heard.found == ["found"]


def test_what_the_cluster_says_of_a_failed_job_is_shown(two, tmp_path):
    (tmp_path / "job.log").write_text("ERROR: no luck\n")
    two.start(1, "a: silencing", log=["job.log"])
    two.fail(1, rule_msg="SLURM job '7' failed\nOUT_OF_MEMORY", log=["job.log", "slurm.log"])
    two.terminal.close()
    assert two.lines[1:] == [
        "Failed: a: silencing (rule ablation_pass)",
        "    SLURM job '7' failed",
        "    OUT_OF_MEMORY",
        "    ERROR: no luck",
        "    log: job.log",
        "    (it has written no log)",
        "    log: slurm.log",
    ]


def test_of_jobs_that_share_an_allocation_the_logs_of_the_allocation_are_shown(two, tmp_path):
    (tmp_path / "group.log").write_text("slurmstepd: killed\n")
    two.report(LogEvent.GROUP_ERROR, aux_logs=["group.log"])
    two.report(LogEvent.GROUP_ERROR, aux_logs=None)
    told = "Failed: jobs that shared an allocation of the cluster; each follows"
    assert two.lines == [told, "    slurmstepd: killed", "    log: group.log", told]


def test_a_job_that_is_tried_again_has_not_failed(two):
    two.start(1, "a: silencing")
    two.fail(1)
    two.tell("Trying to restart job 1.")
    two.tell("Trying to restart job ab-cd.")  # of jobs together, which have no number
    assert two.lines[1:] == [
        "Failed: a: silencing (rule ablation_pass)",
        "Trying it again: a: silencing",
        "Trying it again",
    ]
    two.tell("Complete log(s): x.log")
    assert two.lines[-1] == "Snakemake's own log: x.log"
    assert not any("failed" in line for line in two.lines)


@pytest.mark.parametrize("heard", ["stop, failure", "failure, stop"])
def test_after_a_stop_ended_jobs_are_no_failures(two, heard):
    """Ctrl-C ends the job and Snakemake at once; either may be heard first."""
    two.start(0)
    for what in heard.split(", "):
        if what == "failure":
            two.fail(0)
        else:
            two.tell("Terminating processes on user request, this might take some time.")
    two.report(LogEvent.PROGRESS, done=0, total=2)
    two.tell("Complete log(s): x.log")
    assert two.lines[1:] == [
        "Terminating processes on user request, this might take some time.",
        "Stopped: 0 of 2 steps are done. The same command goes on from here.",
        "Snakemake's own log: x.log",
    ]


def test_a_failure_is_said_though_nothing_else_happens(two, monkeypatch):
    monkeypatch.setattr(terminals, "_GRACE", 0.01)
    two.start(0)
    two.fail(0)
    until = time.monotonic() + 60
    while len(two.lines) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert two.lines[1] == "Failed: words (rule expand_items)"


def test_a_run_that_sigterm_ended_says_how_far_it_is(two):
    """Jobs that run are waited for, and none has failed."""
    two.start(0)
    two.tell("Will exit after finishing currently running jobs (scheduler).")
    two.report(LogEvent.JOB_FINISHED, job_id=0)
    two.report(LogEvent.PROGRESS, done=1, total=2)
    two.tell("Complete log(s): x.log")
    assert two.lines[1:] == [
        "Will exit after finishing currently running jobs (scheduler).",
        "Stopped: 1 of 2 steps are done. The same command goes on from here.",
        "Snakemake's own log: x.log",
    ]


def test_a_failure_says_how_many_steps_wait_for_it(two):
    two.start(0)
    two.fail(0)
    two.tell("Exiting because a job execution failed.", logging.ERROR)
    two.tell("Complete log(s): x.log")
    assert two.lines[-2] == (
        "1 step failed; steps not begun because of that: 1. The same command goes on from here."
    )
    two.start(1)
    two.fail(1)
    two.tell("Complete log(s): x.log")
    assert two.lines[-2] == "2 steps failed. The same command goes on from here."


def test_a_warning_is_said_once_and_chatter_not_at_all(two):
    for _ in range(2):
        two.tell("A file system is slow", logging.WARNING)
        two.tell("Building DAG of jobs...")
        two.tell("Unlocked working directory.")
    two.report(LogEvent.SHELLCMD, msg="rm -r", levelno=logging.WARNING)
    assert two.lines == ["A file system is slow", "Unlocked working directory."]
    two.tell("Nothing to be done (all files are there).")
    assert two.lines[-1].startswith("Nothing to be done") and two.found == ["found"]


def test_what_cannot_be_said_ends_no_run(two, monkeypatch):
    told = []
    monkeypatch.setattr(two.terminal, "handleError", told.append)
    two.report(LogEvent.JOB_FINISHED)  # without the number of a job
    assert len(told) == 1 and two.lines == []
    monkeypatch.setattr(two.stream, "write", lambda _: (_ for _ in ()).throw(BrokenPipeError))
    with pytest.raises(BrokenPipeError):
        two.tell("a word", logging.WARNING)


def test_on_a_terminal_a_stage_that_was_cut_short_is_said_at_the_end(tmp_path, monkeypatch):
    """A job that waits in a cluster's queue is said to."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminals, "_BEAT", 0.01)
    monkeypatch.chdir(tmp_path)
    jobs = [planned("expand_items"), planned("ablation_pass", model="a")]
    heard = Heard(tmp_path, jobs, Seen(), local=False)
    heard.plan()
    heard.start(0)
    heard.report(LogEvent.JOB_FINISHED, job_id=0)
    heard.report(LogEvent.PROGRESS, done=1, total=2)
    heard.start(1)
    heard.terminal._draw()  # as it is a second later
    assert re.search(r"Silencing the circuits +0 of 1, 1 in the queue", heard.stream.getvalue())
    heard.fail(1)
    heard.tell("Complete log(s): x.log")
    heard.terminal.close()
    end = heard.stream.getvalue().rpartition("\033[J")[2].splitlines()
    assert [" ".join(line.split()) for line in end] == [
        "Silencing the circuits 0 of 1, 1 failed",
        "1 step failed. The same command goes on from here.",
        "Snakemake's own log: x.log",
    ]


@pytest.fixture
def handlers():
    """Those of Snakemake's logger, which are put back."""
    logger = logging.getLogger("snakemake.logging")
    kept, logger.handlers = logger.handlers, []
    yield logger
    logger.handlers = kept


def asked(**options):
    plain = dict.fromkeys(("verbose", "printshellcmds", "debug_dag", "quiet", "dryrun"), False)
    return SimpleNamespace(
        is_main_process=True, output_settings=SimpleNamespace(**{**plain, **options})
    )


def test_snakemake_keeps_the_terminal_where_it_is_asked_to_say_more(handlers, monkeypatch):
    monkeypatch.setenv(terminals.LOGS_ARE_SHOWN, "")
    stream = logging.StreamHandler(io.StringIO())
    stream.set_name("DefaultStreamHandler")
    others = logging.NullHandler()
    handlers.handlers = [others, stream]
    arguments = (lambda job: None, print, lambda *_: [])
    assert take_over(asked(verbose=True), *arguments) is None
    assert handlers.handlers == [others, stream]
    assert take_over(asked(dryrun=True), *arguments) is None
    assert handlers.handlers[0] is others and isinstance(handlers.handlers[1], DryRun)
    handlers.handlers = [others, stream]
    found = take_over(asked(), *arguments)
    assert handlers.handlers == [others, found] and os.environ[terminals.LOGS_ARE_SHOWN] == "1"
    # A plugin writes to the terminal: there is none of this name.
    handlers.handlers = [others]
    assert take_over(asked(), *arguments) is None and handlers.handlers == [others]


def test_a_dry_run_tells_passes_of_which_nothing_is_there(tmp_path, monkeypatch):
    """Of the shards of a pass, too; what has changed is asked of the stage whose settings are new."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/a/.store/lesion").mkdir(parents=True)
    stream, asked_for = io.StringIO(), []

    def changed(*of):
        asked_for.append(of)
        return ["tasks.items 20 -> 30"] if of else []

    dry = DryRun(stream, changed)

    def job(rule, *output, reason="Missing output files: x", msg=None):
        about = {"event": LogEvent.JOB_INFO, "rule_name": rule, "output": list(output), "msg": ""}
        about |= {"shellcmd": None, "rule_msg": msg, "reason": reason}
        dry.emit(logging.makeLogRecord(about))

    job("settings", "results/a/.store/ablation.settings.json", reason="Params have changed")
    job("ablation_shard", "results/a/.store/shards/ablation.1-of-2.json")
    job("lesion_pass", "results/a/.store/lesion.json")
    job("models", msg="The models are checked")
    job("all")
    dry.emit(logging.makeLogRecord({"msg": "odd", "levelno": logging.WARNING}))
    dry.emit(logging.makeLogRecord({"msg": "Building DAG", "levelno": logging.INFO}))
    dry.emit(logging.makeLogRecord({"msg": "This was a dry-run", "levelno": logging.INFO}))
    assert asked_for == [("a", "ablation"), ()]
    text = stream.getvalue()
    assert text.startswith("odd\nThe models are checked\n3 steps to do; nothing has been run.\n")
    assert "Changed since: tasks.items 20 -> 30." in text
    assert "ablation_shard: nothing has been computed yet; a model is loaded." in text
    assert "lesion_pass may load a model: " in text and "Building" not in text
    assert in_words("Software environment definition has changed") == (
        "Their software environment has changed"
    )
    assert in_words("Rules with neither input nor output files") == "Always run"
