"""The last lines of a terminal, written anew: a line for each stage that runs, and one for the whole run.

Our own, though rich is installed: jobs write on the same terminal (warnings of their libraries, what a conda
environment or Ctrl-C leaves there). rich lets the cursor rest below its lines and goes up by their number:
what others wrote meanwhile, or a terminal that was made narrower, leaves parts of old lines. Here it rests
above them, on an empty line, and all that is below is written anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TextIO

from brodmann.pipeline.made import few
from brodmann.pipeline.time_left import spoken
from brodmann.pipeline.under_way import Job, Run, Stage

# Lines of stages at most; models that a line names.
_MOST, _NAMED = 6, 2
_GAP = "   "
# Of a terminal that does not say how large it is.
_COLUMNS, _ROWS = 80, 24


def drawn(run: Run, columns: int = _COLUMNS, rows: int = _ROWS) -> list[str]:
    """What is to be seen of a run: none of the lines is longer than the terminal is wide."""
    running = [stage for stage in run.stages.values() if stage.running]
    most = max(1, min(_MOST, rows - 3))
    shown = running if len(running) <= most else running[: most - 1]
    lines = [
        _line(stage.words, _steps(stage), _now(run, stage), run.width, columns) for stage in shown
    ]
    if rest := running[len(shown) :]:
        steps = sum(stage.done for stage in rest), sum(stage.total for stage in rest)
        words = f"{len(rest)} more stage{'s' if len(rest) > 1 else ''}"
        lines.append(_line(words, "{} of {}".format(*steps), (), run.width, columns))
    return [*lines, _whole(run, columns)]


def settled(run: Run, stage: Stage, columns: int = _COLUMNS) -> str:
    """What stays of a stage: how long its jobs took."""
    took = [f"in {spoken(stage.seconds)}"] if stage.through else []
    return _line(stage.words, _steps(stage), took, run.width, columns)


def _steps(stage: Stage) -> str:
    queued = sum(job.queued for job in stage.running.values())
    found = [f"{stage.done} of {stage.total}"]
    found += [f"{len(stage.failed)} failed"] if stage.failed else []
    found += [f"{queued} in the queue"] if queued else []
    return ", ".join(found)


def _now(run: Run, stage: Stage) -> list[str]:
    """What a stage does, the most wanted first: time left, models, how far a job is."""
    jobs = [job for job in stage.running.values() if not job.queued]
    left = run.left.of_stage(stage.words) if jobs and not run.ending else None
    return ([] if left is None else [f"{spoken(left)} left"]) + _names(jobs)


def _names(jobs: Sequence[Job]) -> list[str]:
    models = list(dict.fromkeys(job.model for job in jobs if job.model))
    if not models:
        return [job.words for job in jobs[:1]]
    counts = [job.count for job in jobs if job.count is not None]
    titles = {
        job.count.what.removesuffix(job.model).strip() for job in jobs if job.count is not None
    }
    named = [few(models, _NAMED)]
    if len(titles) == 1:
        done, total = sum(one.done for one in counts), sum(one.total for one in counts)
        named.append(f"{titles.pop()} {done} of {total}")
    return named


def _whole(run: Run, columns: int) -> str:
    width = len(str(run.total))
    left = run.seconds_left
    said = [] if left is None else [f"about {spoken(left)} left"]
    said += [f"{len(run.failed)} failed"] if run.failed else []
    said += [f"{spoken(run.seconds)} so far"]
    if not any(stage.running for stage in run.stages.values()):
        said += [job.words for job in run.on_the_way[:1]]
    return _line(f"[{run.done:{width}} of {run.total}]", "", said, 0, columns)


def _line(words: str, steps: str, more: Iterable[str], width: int, columns: int) -> str:
    """In columns; what there is no room for is left out from the right, and no number is cut."""
    if steps:
        steps = f"  {steps:>10}"
    line = words.ljust(width)[: max(0, columns - len(steps))] + steps
    for part in more:
        if len(line) + len(_GAP) + len(part) > columns:
            break
        line += _GAP + part
    return line[:columns].rstrip()


class Screen:
    """A stream to which lines are written that stay, and on a terminal some below them that do not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._below = False  # there are some

    def size(self) -> tuple[int, int]:
        """(columns that a line may have, rows)."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        # A full last column makes some terminals go on to the next line.
        return (columns or _COLUMNS + 1) - 1, rows or _ROWS

    def say(self, *lines: str) -> None:
        """Lines that stay; what was below them is gone."""
        self._write(self._cleared() + "".join(f"{line}\n" for line in lines))

    def draw(self, lines: Sequence[str]) -> None:
        """Lines below all others, in the place of those before; the cursor rests above them."""
        if not self.live:
            return
        # No line is wrapped, whatever the terminal makes of its characters.
        below = "".join(f"\n\r{line}\033[K" for line in lines)
        self._below = True
        self._write(f"\r\033[K\033[?7l{below}\033[J\033[?7h\r\033[{len(lines)}A")

    def clear(self) -> None:
        """Nothing is below any more."""
        self._write(self._cleared())

    def _cleared(self) -> str:
        cleared, self._below = "\r\033[J" if self._below else "", False
        return cleared

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
