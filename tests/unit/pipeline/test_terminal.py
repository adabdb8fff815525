"""What a user reads while Snakemake runs: of a toy workflow, in Snakemake itself."""

import fcntl
import io
import logging
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from terminal_model import TerminalModel

from brodmann.pipeline.dry_run import Planned, summary
from brodmann.pipeline.terminal import STAGES, Terminal, _last_lines
from brodmann.pipeline.time_left import UNKNOWN

SNAKEFILE = """
from brodmann.pipeline.terminal import take_over

at_end = lambda: print("What was found", flush=True)
terminal = take_over(workflow, lambda job: None, at_end, lambda *_: [])

onsuccess:
    if terminal is not None:
        terminal.finished()

rule all:
    input: "figures/drawn"

include: "rules/items.smk"
include: "rules/figures/figures.smk"
"""
ITEMS = """
rule expand_items:
    output: "items/{task}"
    log: "logs/{task}.log"
    message: "{wildcards.task}: writing the items"
    shell: "echo {wildcards.task} > {output}"
"""
FIGURES = """
rule figure:
    input: expand("items/{task}", task=["a", "b", "c"])
    output: "figures/drawn"
    params: size=1
    log: "logs/drawn.log"
    message: "Drawing it"
    shell: "cat {input} > {output}"
"""


@pytest.fixture
def toy(tmp_path):
    files = {"Snakefile": SNAKEFILE, "rules/items.smk": ITEMS, "rules/figures/figures.smk": FIGURES}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(*arguments, **options):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        return subprocess.run(command, cwd=tmp_path, text=True, **options)

    def start():
        command = [sys.executable, "-m", "snakemake", "--cores", "1"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            text=True,
            start_new_session=True,
            # Tests may run in the background, where a shell has Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **streams,
        )

    run.path, run.start = tmp_path, start
    return run


def said(done):
    """Without what Snakemake says before it reads a Snakefile."""
    return [line for line in done.stdout.splitlines() if not line.startswith("Assuming unrestr")]


def test_a_run_says_its_stages_and_what_was_found(toy):
    done = toy(stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    lines = said(done)
    assert lines[0] == "[0 of 4] Writing the items of the tasks"
    assert re.fullmatch(r"\[3 of 4\] Drawing the figures, about \d+ (s|min) left", lines[1])
    assert re.fullmatch(r"All 4 steps are done \(\d+ (s|min)\)\.", lines[2])
    assert lines[3] == "What was found"
    log = lines[4].removeprefix("Snakemake's own log: ")
    assert len(lines) == 5 and "\r" not in done.stdout and "\033" not in done.stdout
    # Snakemake's own account is where it says.
    assert "5 of 5 steps (100%) done" in (toy.path / log).read_text()

    # With nothing left to do, it is said again.
    again = said(toy(stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    assert again[0].startswith("Nothing to be done") and again[1] == "What was found"


def test_a_dry_run_counts_rules_by_reason(toy):
    done = toy("--dry-run", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = done.stdout
    assert text.startswith("4 steps to do; nothing has been run.\n\nNot made yet:\n    ")
    assert "expand_items 3" in text and "figure 1" in text
    assert not (toy.path / "figures").exists()
    # Whoever asks for more gets Snakemake's own account.
    long = toy("--dry-run", "--printshellcmds", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "Reason: Missing output files: figures/drawn" in long.stdout
    assert "steps to do" not in long.stdout


def test_a_rule_and_its_number_stay_on_one_line():
    jobs = {"Not made yet": Counter({f"rule_{'x' * n}": n for n in range(1, 41)})}
    lines = summary(Planned(jobs))
    found = [pair for line in lines[3:] for pair in re.findall(r"rule_(x+) (\d+)", line)]
    assert [len(name) for name, _ in found] == list(range(1, 41))
    assert all(len(name) == int(number) for name, number in found)
    assert lines[0] == f"{sum(range(41))} steps to do; nothing has been run."


def test_a_failed_job_shows_the_end_of_its_log_and_where_it_is(toy):
    path = toy.path / "rules/items.smk"
    command = (
        "for n in $(seq 40); do echo line $n; done > {log}; echo ERROR: no luck >> {log}; exit 3"
    )
    path.write_text(ITEMS.replace("echo {wildcards.task} > {output}", command))
    run = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    # A log is where it is said to be, also for who stands elsewhere.
    elsewhere = toy("--keep-going", "--directory", "there", **run)
    assert "    log: there/logs/b.log" in said(elsewhere)
    assert "Snakemake's own log: there/.snakemake/log/" in elsewhere.stdout
    done = toy("--keep-going", **run)
    assert done.returncode != 0
    lines = said(done)
    begin = lines.index("Failed: b: writing the items (rule expand_items)")
    block = lines[begin + 1 : begin + 14]
    assert block[:11] == [f"    line {n}" for n in range(30, 41)]
    assert block[11:] == ["    ERROR: no luck", "    log: logs/b.log"]
    assert "3 steps failed; steps not begun because of that: 1. " in done.stdout
    assert "What was found" not in done.stdout and "CalledProcessError" not in done.stdout


def test_of_a_progress_bar_the_last_state_is_shown(tmp_path):
    log = tmp_path / "a.log"
    assert _last_lines(str(log)) == ["(it has written no log)"]
    log.write_text("")
    assert _last_lines(str(log)) == ["(its log is empty)"]
    log.write_text("loaded\n" + "\r".join(f"{n} %" for n in range(100)) + "\nERROR: no luck\n")
    assert _last_lines(str(log)) == ["loaded", "99 %", "ERROR: no luck"]


def test_on_a_terminal_finished_stages_stay_and_nothing_below_them(toy):
    """At the end of a run of two stages; the first takes a while, so that its line is drawn."""
    path = toy.path / "rules/items.smk"
    path.write_text(ITEMS.replace("echo", "sleep 0.7; echo"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    done = toy(stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    text = b""
    while chunk := _read(ours):
        text += chunk
    os.close(ours)
    text = text.decode()
    assert done.returncode == 0, text
    shown = TerminalModel(30, 100)
    shown.write(text)
    lines = [line for line in shown.lines() if not line.startswith("Assuming unrestr")]
    assert re.fullmatch(r"Writing the items of the tasks +3 of 3   in \d+ s", lines[0]), lines
    assert re.fullmatch(r"Drawing the figures +1 of 1   in 1 s", lines[1])
    assert re.fullmatch(r"All 4 steps are done \(\d+ s\)\.", lines[2])
    assert lines[3] == "What was found" and lines[4].startswith("Snakemake's own log: ")
    assert len(lines) == 5
    # While it ran, the lines below said more.
    assert re.search(r"Writing the items of the tasks +[012] of 3   .*: writing the items", text)
    assert re.search(r"\[[0-3] of 4\]   (about \d+ s left   )?\d+ s so far", text)


def test_the_time_is_said_when_the_models_are_known(tmp_path):
    """Reports of a run: its models are fetched first, and until then nobody knows how long passes take."""
    sizes = []
    files = {"expand_items": "items", "fetch_model": "models", "attribution_pass": "attribution"}
    rules = [*["expand_items"] * 3, "fetch_model", "attribution_pass"]
    jobs = [
        SimpleNamespace(rule=SimpleNamespace(name=rule), output=["made"], shellcmd=None)
        for rule in rules
    ]
    workflow = SimpleNamespace(
        dag=SimpleNamespace(needrun_jobs=lambda: jobs, jobid=jobs.index),
        get_rule=lambda rule: SimpleNamespace(
            snakefile=tmp_path / "rules/circuits" / f"{files[rule]}.smk"
        ),
        local_exec=True,
    )

    def expected(job):
        known = 600.0 if sizes else UNKNOWN
        return known if job.rule.name == "attribution_pass" else None

    stream = io.StringIO()
    terminal = Terminal(stream, workflow, expected, print)

    def report(event, **about):
        terminal.handle(logging.makeLogRecord({"event": event, **about}))

    def run(number):
        about = {"rule_name": rules[number], "rule_msg": "words", "output": ["made"], "log": []}
        report(LogEvent.JOB_INFO, jobid=number, wildcards={}, local=True, **about)
        report(LogEvent.JOB_FINISHED, job_id=number)
        report(LogEvent.PROGRESS, done=number + 1, total=len(jobs))

    report(LogEvent.RUN_INFO, stats={"total": len(jobs)})
    run(0)
    run(1)
    run(2)
    assert "left" not in terminal._so_far("now")
    sizes.append("known")
    run(3)
    assert terminal._so_far("now") == "[4 of 5] now, about 10 min left"
    run(4)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[0 of 5] Writing the items of the tasks"
    assert lines[1] == "[3 of 5] Finding and checking the models"
    assert lines[2] == "[4 of 5] Finding the circuits, about 10 min left"


def test_after_ctrl_c_no_job_is_said_to_have_failed(toy):
    path = toy.path / "rules/items.smk"
    path.write_text(ITEMS.replace("echo", "touch begun; sleep 60; echo"))
    run = toy.start()
    while not (toy.path / "begun").exists():
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    text, _ = run.communicate(timeout=120)
    assert run.returncode != 0 and "ailed" not in text
    assert "Terminating processes on user request" in text
    assert "Stopped: 0 of 4 steps are done. The same command goes on from here." in text


def test_a_dumb_terminal_gets_plain_lines(toy):
    ours, theirs = pty.openpty()
    toy(stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"})
    os.close(theirs)
    text = _read(ours).decode()
    os.close(ours)
    assert "[0 of 4] Writing the items of the tasks" in text and "\033" not in text


def _read(number):
    try:
        return os.read(number, 65536)
    except OSError:  # nobody writes any more
        return b""


def test_every_file_of_rules_has_a_stage(root):
    for path in (root / "rules").rglob("*.smk"):
        names = {f"{path.parent.name}/{path.stem}", path.parent.name, path.stem}
        assert names & set(STAGES) or path.stem in ("common", "settings", "shards"), path
