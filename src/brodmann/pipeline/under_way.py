"""How far a run is: its stages and their jobs, from what Snakemake reports of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path

from brodmann.pipeline.time_left import TimeLeft
from brodmann.store.progress import Count, last_count


@dataclass
class Job:
    """A job on its way. ``queued``: a cluster has it, and it has not touched its log yet."""

    rule: str
    words: str  # what it does
    logs: tuple[str, ...] = ()
    model: str = ""
    queued: bool = False
    count: Count | None = None  # how far it is, as it says itself

    def __post_init__(self) -> None:
        self._before = self._log_state()

    def look(self) -> None:
        """Into its log: whether it has begun, and how far it is."""
        if self._log_state() != self._before:
            self.queued = False
            self.count = last_count(self.logs[0])

    def _log_state(self) -> tuple[int, ...] | None:
        try:
            state = Path(self.logs[0]).stat()
        except (IndexError, OSError):
            return None
        return state.st_ino, state.st_size, state.st_mtime_ns


@dataclass
class Stage:
    """A stage of a run, and those of its jobs that run. ``seconds``: in which at least one did, until
    ``since``."""

    words: str
    total: int = 0
    done: int = 0
    running: dict[Hashable, Job] = field(default_factory=dict)
    failed: set[Hashable] = field(default_factory=set)
    seconds: float = 0.0
    since: float = 0.0

    def end(self, number: Hashable, now: float) -> None:
        """A job does not run any more."""
        if self.running.pop(number, None) and not self.running:
            self.seconds += now - self.since

    @property
    def through(self) -> bool:
        """Whether all of its jobs are done."""
        return self.done == self.total > 0


class Run:
    """The stages of a run by their words, in the order in which they begin, and what has failed.

    ``done``, ``total``: its steps, as Snakemake counts them. ``ending``: no further job begins.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self.left = TimeLeft(clock)
        self.done = self.total = 0
        self.ending = False
        self.stages: dict[str, Stage] = {}
        self.failed: dict[Hashable, Job] = {}
        self._planned = {"": Stage("")}  # with what is done on the way, of which no stage is shown
        self._plans: dict[Hashable, tuple[str, str]] = {}  # job -> (rule, words of its stage)

    @property
    def seconds(self) -> float:
        """So long it has run."""
        return self._clock() - self._began

    @property
    def seconds_left(self) -> float | None:
        """What waits for a failed job will not begin: then nobody knows how much is still to come."""
        return None if self.failed or self.ending else self.left.seconds()

    @property
    def on_the_way(self) -> list[Job]:
        """Jobs that run and belong to no stage."""
        return list(self._planned[""].running.values())

    @property
    def width(self) -> int:
        """Of the longest words of a stage."""
        return max(map(len, self._planned))

    def plan(self, number: Hashable, rule: str, stage: str, expected: float | None) -> None:
        """A job will be run. ``stage``: its words; nothing for what is done on the way."""
        self._planned.setdefault(stage, Stage(stage)).total += 1
        self._plans[number] = rule, stage
        self.left.expect(number, rule, stage, expected)

    def expect(self, number: Hashable, seconds: float | None) -> None:
        """More is known of how long a job will take."""
        self.left.expect(number, *self._plans[number], seconds)

    def rule_of(self, number: Hashable) -> str:
        """The rule of a job."""
        return self._plans.get(number, ("", ""))[0]

    def start(self, number: Hashable, job: Job) -> Stage | None:
        """A job is on its way; its stage, if that begins with it."""
        if not job.queued:
            self.left.start(number)
        self.failed.pop(number, None)
        stage = self._stage(number)
        if not stage.running:
            stage.since = self._clock()
        stage.running[number] = job
        stage.failed.discard(number)
        if not stage.words or stage.words in self.stages:
            return None
        self.stages[stage.words] = stage
        return stage

    def finish(self, number: Hashable) -> Stage | None:
        """A job is done; its stage, if this was the last of it."""
        self.left.finish(number)
        self.failed.pop(number, None)
        stage = self._stage(number)
        stage.end(number, self._clock())
        stage.failed.discard(number)
        stage.done += 1
        return stage if stage.words and stage.through else None

    def fail(self, number: Hashable, rule: str) -> Job:
        """A job has failed."""
        stage = self._stage(number)
        self.failed[number] = stage.running.get(number) or Job(rule, rule)
        self.left.give_up(number)
        stage.end(number, self._clock())
        stage.failed.add(number)
        return self.failed[number]

    def again(self, number: Hashable) -> Job | None:
        """A job that failed is tried again."""
        self._stage(number).failed.discard(number)
        return self.failed.pop(number, None)

    def look(self) -> None:
        """Into the logs of jobs on their way."""
        for stage in self.stages.values():
            for number, job in stage.running.items():
                was_queued = job.queued
                job.look()
                if was_queued and not job.queued:
                    self.left.start(number)
                if job.count is not None and job.count.left is not None:
                    self.left.goes_on(number, job.count.left)

    def _stage(self, number: Hashable) -> Stage:
        return self._planned[self._plans.get(number, ("", ""))[1]]
