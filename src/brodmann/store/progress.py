"""How far a pass is, and how long it takes."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

# Set by a driver that shows how far jobs are, and the ends of failed jobs' logs.
LOGS_ARE_SHOWN = "BRODMANN_LOGS_ARE_SHOWN"
# A bar as tqdm writes it, and the end of its line: with it, it is over.
_BAR = re.compile(
    r"([^\r\n|]*): +\d+%\|[^\r\n|]*\| (\d+)/(\d+) \[[\d:]+<([\d:]+|\?)[^\r\n\]]*\]( *\n)?"
)
# Bytes at the end of a log, among which the last state of a bar is.
_TAIL = 1024


@dataclass(frozen=True)
class Count:
    """What a progress bar says. ``left``: seconds until it is full, if it knows."""

    what: str
    done: int
    total: int
    left: float | None


def progress(total: int, what: str, unit: str = "item") -> tqdm:
    """A progress bar (done/total, time left) in the log, or on the terminal where there is one of its own."""
    terminal = None if LOGS_ARE_SHOWN in os.environ else sys.__stderr__
    shown = terminal if terminal is not None and terminal.isatty() else sys.stderr
    # A log file gets a line's worth of text now and then, not ten a second.
    interval = 0.5 if shown.isatty() else 5.0
    return tqdm(total=total, desc=what, unit=unit, file=shown, mininterval=interval, ascii=True)


def last_count(log: str | Path) -> Count | None:
    """What the bar that is being moved says in a log; None where there is none."""
    try:
        with open(log, "rb") as stream:
            stream.seek(-min(_TAIL, stream.seek(0, os.SEEK_END)), os.SEEK_END)
            text = stream.read().decode(errors="replace")
    except OSError:
        return None
    bars = list(_BAR.finditer(text))
    if not bars or bars[-1][5]:
        return None
    what, done, total, left, _ = bars[-1].groups()
    seconds = 0
    for part in left.split(":") if left != "?" else ():
        seconds = 60 * seconds + int(part)
    return Count(what, int(done), int(total), None if left == "?" else float(seconds))


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return round(time.perf_counter() - self._start, 3)
