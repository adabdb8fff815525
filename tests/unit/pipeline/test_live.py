"""The last lines of a terminal: what they say, and what is to be seen when others write there, too."""

import io
import os
import re

import pytest
from terminal_model import TerminalModel

from brodmann.pipeline.live import Screen, drawn, settled
from brodmann.pipeline.under_way import Job, Run
from brodmann.store.progress import LOGS_ARE_SHOWN, Count, last_count, progress


@pytest.fixture
def now():
    """The clock's time: a list of one number."""
    return [0.0]


@pytest.fixture
def run(now):
    """Two stages and a step on the way, of which some is done."""
    run = Run(lambda: now[0])
    for number in range(3):
        run.plan(number, "settings", "", None)
        run.start(number, Job("settings", "noting"))
        now[0] += 1.0
        run.finish(number)
    run.plan("asked", "baseline_pass", "Asking the models the tasks", 100.0)
    run.plan("after", "baseline", "Asking the models the tasks", None)
    run.plan("drawn", "figures", "Drawing the figures", None)
    run.done, run.total = 3, 6
    return run


class Stream(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return Screen(Stream())


def shown(screen, rows=12, columns=40):
    model = TerminalModel(rows, columns)
    model.write(screen._stream.getvalue().replace("\n", "\r\n"))
    return model.lines()


def test_a_line_for_each_stage_that_runs_and_what_stays_of_it(run, now):
    run.start("asked", Job("baseline_pass", "tiny: asking", (), "tiny"))
    now[0] += 30.0
    run.stages["Asking the models the tasks"].running["asked"].count = Count(
        "baseline tiny", 120, 400, 70.0
    )
    asked = "Asking the models the tasks      0 of 2   1 min left   tiny   baseline 120 of 400"
    # A light job of 1 s, as others, comes after.
    assert drawn(run, 100) == [asked, "[3 of 6]   about 1 min left   33 s so far"]
    run.start("drawn", Job("figures", "Drawing matrices"))
    figures = "Drawing the figures              0 of 1   1 s left   Drawing matrices"
    assert drawn(run, 100)[:2] == [asked, figures]
    now[0] += 40.0
    assert run.finish("drawn").words == "Drawing the figures"
    assert run.finish("asked") is None  # its stage has another
    stage = run.stages["Drawing the figures"]
    assert settled(run, stage, 100) == "Drawing the figures              1 of 1   in 40 s"
    # No job of a stage runs for a while: the time of a stage is that of its jobs.
    run.plan("settings", "settings", "", None)
    run.start("settings", Job("settings", "tiny: noting settings"))
    now[0] += 100.0
    [line] = drawn(run, 100)
    assert line.startswith("[3 of 6]   about ") and line.endswith("so far   tiny: noting settings")
    run.start("after", Job("baseline", "tiny: choosing", (), "tiny"))
    now[0] += 10.0
    stage = run.finish("after")
    assert settled(run, stage, 100).endswith("2 of 2   in 1 min")  # 70 s and 10 s
    assert stage.seconds == 80


def test_failed_and_queued_jobs_are_said_and_no_time_is_made_up(run, now, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("of an earlier run")
    run.start("asked", Job("baseline_pass", "asking", (str(log),), "tiny", queued=True))
    run.look()
    line, whole = drawn(run, 100)
    assert line == "Asking the models the tasks  0 of 2, 1 in the queue"
    now[0] += 1000.0  # in the queue: its time does not run
    log.write_text("it has begun")
    run.look()
    line, whole = drawn(run, 100)
    assert line == "Asking the models the tasks      0 of 2   2 min left   tiny"
    assert "about 2 min left" in whole
    assert run.fail("asked", "baseline_pass").words == "asking"
    run.start("drawn", Job("figures", "Drawing"))
    run.plan("other", "baseline", "Asking the models the tasks", None)
    run.start("other", Job("baseline", "choosing"))
    assert drawn(run, 100)[0].startswith("Asking the models the tasks  0 of 3, 1 failed")
    assert drawn(run, 100)[-1] == "[3 of 6]   1 failed   17 min so far"
    # Tried again.
    assert run.again("asked").words == "asking"
    assert "failed" not in "".join(drawn(run, 100)) and "left" in drawn(run, 100)[-1]
    # After Ctrl-C no job begins, and nobody says how long the rest will take.
    run.ending = True
    assert "left" not in "".join(drawn(run, 100))


def test_many_stages_are_summed_up_and_many_models(run, now):
    for number in range(20):
        run.plan(number + 100, f"rule{number}", f"Stage {number}", None)
        run.start(number + 100, Job(f"rule{number}", "words"))
    lines = drawn(run, 100, 40)
    assert len(lines) == 7  # of stages six
    assert " ".join(lines[5].split()) == "15 more stages 0 of 15"
    assert len(drawn(run, 100, 6)) == 4  # a low terminal
    assert len(drawn(run, 100, 2)) == 2


def test_jobs_of_several_models_are_counted_together(run):
    for number in range(4):
        run.plan(f"of {number}", "pass", "Asking the models the tasks", 10.0)
        job = Job("pass", "asking", (), f"m{number}")
        job.count = Count(f"rows m{number}", number, 10, None)
        run.start(f"of {number}", job)
    assert drawn(run, 120)[0].endswith("m0, m1, and 2 more   rows 6 of 40")


@pytest.mark.parametrize("columns", [*range(1, 60), 200])
def test_lines_fit_and_no_number_is_cut(run, columns):
    run.start("asked", Job("baseline_pass", "asking", (), "tiny"))
    job = run.stages["Asking the models the tasks"].running["asked"]
    job.count = Count("baseline tiny", 1234, 5678, 70.0)
    run.done, run.total = 1234, 5678
    full = {*re.findall(r"\d+", " ".join(drawn(run, 200)))}
    for line in drawn(run, columns):
        assert len(line) <= columns
        if columns >= 14:
            assert {*re.findall(r"\d+", line)} <= full
            assert "0 of 2" in line or "[1234 of 5678]" in line


def test_what_others_write_stays_and_old_lines_do_not(screen):
    screen.say("first")
    screen.draw(["one", "two", "three"])
    assert shown(screen) == ["first", "", "one", "two", "three"]
    screen._stream.write("a warning\n")  # of a job
    screen.draw(["one", "two"])
    assert shown(screen) == ["first", "a warning", "", "one", "two"]
    screen.say("second")
    assert shown(screen) == ["first", "a warning", "second"]
    screen.draw(["x" * 60])  # characters that are wider than they seem
    assert [line[:39] for line in shown(screen)] == ["first", "a warning", "second", "", "x" * 39]
    screen.clear()
    assert shown(screen) == ["first", "a warning", "second"]
    assert screen._stream.getvalue().count("\033[?7l") == screen._stream.getvalue().count(
        "\033[?7h"
    )


def test_at_the_bottom_of_a_terminal(screen):
    for number in range(30):
        screen.say(f"line {number}")
        screen.draw(["below", f"after {number}"])
    assert shown(screen, rows=8) == [*(f"line {n}" for n in range(30)), "", "below", "after 29"]


def test_beyond_a_terminal_nothing_is_drawn(monkeypatch):
    screen = Screen(io.StringIO())
    screen.draw(["one"])
    screen.say("said")
    screen.clear()
    assert screen._stream.getvalue() == "said\n"
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen(Stream()).live


def test_a_log_says_how_far_its_job_is(tmp_path, monkeypatch):
    """Written by tqdm itself, to a log; the terminal is the driver's."""
    monkeypatch.setenv(LOGS_ARE_SHOWN, "1")
    monkeypatch.setattr("sys.__stderr__", Stream())
    path = tmp_path / "a.log"
    assert last_count(path) is None
    with open(path, "w", buffering=1) as log:
        monkeypatch.setattr("sys.stderr", log)
        log.write("loaded 10 of 10\n" * 200)
        assert last_count(path) is None
        with progress(400, "baseline tiny", "answer") as bar:
            bar.update(0)
            assert last_count(path) == Count("baseline tiny", 0, 400, None)
            bar.n, bar.start_t = 100, bar.start_t - 7200.0
            bar.refresh()
            found = last_count(path)
            assert found.done == 100 and found.total == 400
            assert found.left == pytest.approx(3 * 7200, abs=5)
            bar.set_postfix_str("language/agreement")
            log.write("2026-11-27 10:00:00 INFO a line in between\n")
            assert last_count(path).done == 100
        # It is over, and the next has not begun.
        assert last_count(path) is None
        with progress(3, "second items tiny", "item"):
            assert last_count(path) == Count("second items tiny", 0, 3, None)


def test_a_terminal_says_how_large_it_is(monkeypatch, screen):
    monkeypatch.setattr(screen._stream, "fileno", lambda: 9, raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((100, 50)))
    assert screen.size() == (99, 50)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert screen.size() == (80, 24)
