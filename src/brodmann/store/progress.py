"""How far a pass is, and how long it takes."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm


def progress(total: int, what: str, unit: str = "item") -> tqdm:
    """A progress bar (done/total, time left) in the log; and on the terminal, where there is one."""
    shown = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.stderr
    # A log file gets a line's worth of text now and then, not ten a second.
    interval = 0.5 if shown.isatty() else 5.0
    return tqdm(total=total, desc=what, unit=unit, file=shown, mininterval=interval, ascii=True)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return round(time.perf_counter() - self._start, 3)
