"""How long a run may still take: from what is expected of its jobs, and how long finished ones took."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

# Of a job that loads a model, as long as nobody knows how large the model is.
UNKNOWN = math.inf
# Jobs that must have finished before anything is said.
_ENOUGH = 3
# What is expected counts as much as a finished job of so many seconds, or of this part of all there is to do.
_TRUST, _TRUSTED_PART = 60.0, 0.1
# A job that takes longer than it should may go on for this part of the time that it has taken so far.
_LATE = 0.1
# Less is nothing.
_INSTANT = 1e-6


@dataclass(frozen=True)
class _Job:
    rule: str = ""
    stage: str = ""
    expected: float | None = None  # seconds; None for a light job


@dataclass(frozen=True)
class _Ahead:
    """A running job, or all alike that wait. ``seconds``: of one, still to come."""

    seconds: float
    light: bool
    count: int = 1
    late: bool = False  # it takes longer than it should


@dataclass
class _Kind:
    """Light jobs, or those that load a model: how many of them have run at once."""

    busy: float = 0.0  # seconds of jobs
    passed: float = 0.0  # seconds in which at least one ran
    counted: float = 0.0  # until then

    def count(self, now: float, running: int) -> None:
        """So many have run since the last time."""
        self.busy += running * (now - self.counted)
        self.passed += (now - self.counted) * (running > 0)
        self.counted = now

    @property
    def at_once(self) -> float:
        return max(1.0, self.busy / self.passed) if self.passed else 1.0


class TimeLeft:
    """Jobs that load a model take what is expected of them, corrected by how finished ones did; light jobs
    take the mean of their rule, or of all rules. Jobs run side by side as they did so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Hashable, _Job] = {}
        self._alike: Counter[_Job] = Counter()  # of those: they may be many
        self._began: dict[Hashable, tuple[float, _Job]] = {}
        self._failed: dict[Hashable, _Job] = {}
        self._until: dict[Hashable, float] = {}  # a job goes on until then, as it says itself
        self._took: defaultdict[str, list[float]] = defaultdict(list)  # light jobs, by rule
        # Of others: how many times what was expected, and what was.
        self._done: list[tuple[float, float]] = []
        self._light, self._heavy = _Kind(), _Kind()
        self._finished = 0

    def expect(self, job: Hashable, rule: str, stage: str, seconds: float | None) -> None:
        """It will be run; said again when more is known."""
        self._drop(job)
        known = _Job(rule, stage, seconds)
        self._waiting[job] = known
        self._alike[known] += 1

    def start(self, job: Hashable) -> None:
        """It runs."""
        self._count()
        known = self._drop(job) or self._failed.pop(job, _Job())
        self._began[job] = self._clock(), known

    def goes_on(self, job: Hashable, seconds: float) -> None:
        """It says itself that it takes at least so long from now."""
        self._until[job] = self._clock() + seconds

    def give_up(self, job: Hashable) -> None:
        """It has failed; it may be tried again."""
        if job in self._began:
            _, self._failed[job] = self._end(job)

    def finish(self, job: Hashable) -> None:
        """It is done."""
        self._drop(job)
        if job not in self._began:
            return
        took, known = self._end(job)
        self._finished += 1
        if known.expected is None:
            self._took[known.rule].append(took)
        elif expected := _if_known(known.expected):
            self._done.append((took / expected, expected))

    def seconds(self) -> float | None:
        """Until the end; None as long as too little is known."""
        self._count()
        ahead = self._ahead()
        if (longest := self._longest(ahead)) is None:
            return None
        light = sum(one.seconds * one.count for one in ahead if one.light)
        heavy = sum(one.seconds * one.count for one in ahead if not one.light)
        return max(longest, light / self._light.at_once + heavy / self._heavy.at_once)

    def of_stage(self, stage: str) -> float | None:
        """Until the end of a stage, if its jobs need not wait for others and as many run at once as now;
        None, too, when one that loads a model, or all that are left, take longer than they should."""
        ahead = self._ahead(stage)
        longest, late = self._longest(ahead), [one for one in ahead if one.late]
        if longest is None or len(late) == len(ahead) or not all(one.light for one in late):
            return None
        running = sum(known.stage == stage for _, known in self._began.values())
        return max(longest, sum(one.seconds * one.count for one in ahead) / max(1, running))

    def _drop(self, job: Hashable) -> _Job | None:
        """From those that wait."""
        if (known := self._waiting.pop(job, None)) is not None:
            self._alike[known] -= 1
        return known

    def _end(self, job: Hashable) -> tuple[float, _Job]:
        """(how long it ran, what was known of it)."""
        self._count()
        began, known = self._began.pop(job)
        self._until.pop(job, None)
        return self._clock() - began, known

    def _count(self) -> None:
        """How many have run until now."""
        light = sum(known.expected is None for _, known in self._began.values())
        self._light.count(self._clock(), light)
        self._heavy.count(self._clock(), len(self._began) - light)

    def _ahead(self, stage: str | None = None) -> list[_Ahead]:
        """What is still to come, of a stage or of all."""
        correction, now = self._correction(), self._clock()
        found = []
        for job, (began, known) in self._began.items():
            if stage in (None, known.stage):
                end = max(began + self._whole(known, correction), self._until.get(job, now))
                late = end - now < _INSTANT
                left = _LATE * (now - began) if late else end - now
                found.append(_Ahead(left, known.expected is None, late=late))
        for known, count in self._alike.items():
            if count and stage in (None, known.stage):
                whole = self._whole(known, correction)
                found.append(_Ahead(whole, known.expected is None, count))
        return found

    def _longest(self, ahead: Iterable[_Ahead]) -> float | None:
        """No job is done by several. None where too little is known."""
        longest = max((one.seconds for one in ahead), default=0.0)
        return None if self._finished < _ENOUGH or longest == UNKNOWN else longest

    def _whole(self, job: _Job, correction: float) -> float:
        return self._mean(job.rule) if job.expected is None else job.expected * correction

    def _mean(self, rule: str) -> float:
        """Of a rule's light jobs; of a rule that has not run, as of the others."""
        if alike := self._took.get(rule):
            return _mean(alike)
        return _mean(map(_mean, self._took.values()))

    def _correction(self) -> float:
        """How many times what is expected jobs take: a median, weighted by what was expected. Some take much
        less, as they find results of an earlier run."""
        now = self._clock()
        running = [
            (now - began, expected)
            for began, known in self._began.values()
            if (expected := _if_known(known.expected))
        ]
        waiting = (_if_known(known.expected) * count for known, count in self._alike.items())
        every = sum(waiting) + sum(seconds for _, seconds in (*running, *self._done))
        ratios = [*self._done, (1.0, min(_TRUST, _TRUSTED_PART * every))]
        found = _median(ratios)
        # Of jobs that run for longer than they should it is at least so much.
        late = ((passed / own, own) for passed, own in running if passed > found * own)
        return _median([*ratios, *late])


def _if_known(expected: float | None) -> float:
    return 0.0 if expected in (None, UNKNOWN) else expected


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def _median(weighted: Iterable[tuple[float, float]]) -> float:
    """Of (value, weight): the smallest value up to which half of the weight lies."""
    ordered = sorted(weighted)
    half = sum(weight for _, weight in ordered) / 2
    for value, weight in ordered:
        half -= weight
        if half <= 0:
            return value
    return 1.0


def spoken(seconds: float) -> str:
    """A duration as one says it."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
