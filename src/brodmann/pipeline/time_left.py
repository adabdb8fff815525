"""How long the rest of a run may take: from what is expected of its jobs, and what finished ones took."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# Jobs that must have finished before anything is said.
_ENOUGH = 3


@dataclass(frozen=True)
class _Job:
    rule: str
    expected: float | None  # seconds; None for a light job


class TimeLeft:
    """Of light jobs the mean of their rule, or of all light ones; of others what is expected of them,
    corrected by how finished ones did. Divided by how many jobs have run at once so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Hashable, _Job] = {}
        self._began: dict[Hashable, tuple[float, _Job]] = {}
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._busy = self._expected = self._true = 0.0
        self._first: float | None = None
        self._finished = 0

    def expect(self, job: Hashable, rule: str, seconds: float | None) -> None:
        """It will be run."""
        self._waiting[job] = _Job(rule, seconds)

    def start(self, job: Hashable) -> None:
        """It runs."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        self._began[job] = now, self._waiting.pop(job, _Job("", None))

    def give_up(self, job: Hashable) -> None:
        """It has failed."""
        self._began.pop(job, None)

    def finish(self, job: Hashable) -> None:
        """It is done."""
        if job not in self._began:
            return
        began, known = self._began.pop(job)
        took = self._clock() - began
        self._busy += took
        self._finished += 1
        if known.expected is None:
            self._took[known.rule].append(took)
        else:
            self._expected += known.expected
            self._true += took

    @property
    def running(self) -> list[Hashable]:
        """Jobs that are on their way, in the order in which they began."""
        return list(self._began)

    def seconds(self) -> float | None:
        """Until the end; None as long as too few jobs have finished."""
        if self._finished < _ENOUGH or self._first is None:
            return None
        now = self._clock()
        rest = sum(map(self._seconds_of, self._waiting.values()))
        rest += sum(
            max(0.0, self._seconds_of(job) - (now - began)) for began, job in self._began.values()
        )
        busy = self._busy + sum(now - began for began, _ in self._began.values())
        at_once = max(1.0, busy / max(now - self._first, 1e-9))
        return rest / at_once

    def _seconds_of(self, job: _Job) -> float:
        if job.expected is not None:
            return job.expected * (self._true / self._expected if self._expected else 1.0)
        alike = self._took.get(job.rule) or [t for some in self._took.values() for t in some]
        return sum(alike) / len(alike) if alike else 0.0


def spoken(seconds: float) -> str:
    """A duration as one says it."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
