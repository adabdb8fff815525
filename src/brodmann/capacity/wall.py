"""How long a study takes on so many GPUs: its passes and their shards, begun as soon as there is room.

Predicted by list scheduling: of the jobs that may begin, the one begins first that most work waits for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from brodmann.capacity.plan import ModelPlan, StagePlan
from brodmann.capacity.shards import number_of
from brodmann.config.study import Study
from brodmann.pipeline.stages import STAGES

# Minutes of a pass whose shards have made all of its records.
_CLOSING = 0.5


@dataclass(frozen=True)
class Job:
    """``after``: the numbers of the jobs that it waits for, which stand before it in their list."""

    minutes: float
    gpus: int
    after: tuple[int, ...] = ()


def jobs_of(study: Study, plans: Sequence[ModelPlan]) -> list[Job]:
    """What a cluster is given for these models that run on GPUs."""
    jobs: list[Job] = []
    for found in plans:
        last: dict[str, int] = {}  # pass -> the job that ends it
        for stage in found.stages:
            if not stage.gpus:
                continue
            own = STAGES[stage.memory.rule]
            start = len(jobs)
            before = (last[own.after],) if own.after in last else ()
            for job in _of_pass(study, stage):
                jobs.append(replace(job, after=tuple(start + n for n in job.after) or before))
            last[own.name] = len(jobs) - 1
    return jobs


def _of_pass(study: Study, planned: StagePlan) -> Iterator[Job]:
    """Its shards and itself, each after others of these; the pass ends it."""
    stage, time, gpus = STAGES[planned.memory.rule], planned.time, planned.gpus
    count = shards_of(study, planned)
    if count == 1:
        yield Job(time.minutes, gpus)
        return
    first = stage.prepares(study)
    if first:
        yield Job(time.loading, gpus)
    for _ in range(count):
        yield Job(time.of(count).minutes, gpus, (0,) if first else ())
    yield Job(_CLOSING, gpus, tuple(range(int(first), count + first)))


def shards_of(study: Study, planned: StagePlan) -> int:
    """How many jobs share a pass on a cluster."""
    pieces, wanted = STAGES[planned.memory.rule].pieces, study.execution.shards
    if pieces is None:
        return 1
    if wanted is not None:
        return max(1, min(wanted, pieces(study)))
    return number_of(planned.time, study.execution.job_minutes, pieces(study))


def wall_minutes(jobs: Sequence[Job], gpus: int) -> float | None:
    """Until the last job has ended; None if there are fewer GPUs than one job takes."""
    if any(job.gpus > gpus for job in jobs):
        return None
    waiting_for = [set(job.after) for job in jobs]
    follow: list[list[int]] = [[] for _ in jobs]
    for number, job in enumerate(jobs):
        for other in job.after:
            follow[other].append(number)
    # From a job's beginning to the end of all that waits for it.
    tails = [0.0] * len(jobs)
    for number in reversed(range(len(jobs))):
        tails[number] = jobs[number].minutes + max((tails[n] for n in follow[number]), default=0.0)
    ready = sorted((-tails[n], n) for n, waits in enumerate(waiting_for) if not waits)
    running: list[tuple[float, int]] = []
    now, free = 0.0, gpus
    while ready or running:
        for place in list(ready):
            job = jobs[place[1]]
            if job.gpus <= free:
                ready.remove(place)
                free -= job.gpus
                heapq.heappush(running, (now + job.minutes, place[1]))
        now, ended = heapq.heappop(running)
        free += jobs[ended].gpus
        for number in follow[ended]:
            waiting_for[number].discard(ended)
            if not waiting_for[number]:
                ready.append((-tails[number], number))
        ready.sort()
    return now
