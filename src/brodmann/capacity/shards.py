"""How many jobs share a pass: decided when a run starts, and told to all of its jobs.

Told by an environment variable, which jobs inherit, on a cluster, too: a job that counted otherwise would
look for other markers. Nothing hangs on the number but how long a run takes.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from brodmann.capacity import resources
from brodmann.capacity.plan import find_size
from brodmann.capacity.rates import Time, rates_here
from brodmann.capacity.sizes import ModelSize
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.models.cache import Cache
from brodmann.pipeline.driver import part_from_groups
from brodmann.pipeline.stages import SHARDS, STAGES, passes_of
from brodmann.pipeline.time_left import UNKNOWN
from brodmann.runner.stage import Stage
from brodmann.store.shares import Marker

_TOLD = "BRODMANN_SHARDS"
# Of a job, at most this share until its model is loaded.
STARTING = 0.1


# Model -> pass -> how many jobs share it; 1 where there is none.
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Shards:
    """Of a study's passes. ``decide``: called when they are first asked for, as Snakemake plans its jobs.

    ``data``: the folder of the tasks, whose prompts are measured for estimates.
    """

    study: Study
    decide: Callable[[], Counts]
    data: str | Path | None = None

    @classmethod
    def of_run(cls, workflow: Any, study: Study, data: str | Path | None) -> Shards:
        """Those of the run that Snakemake's ``workflow`` belongs to: decided by the process that was started
        first, and what it told in the others."""

        def decide() -> Counts:
            if not workflow.is_main_process and _TOLD in os.environ:
                told: Counts = json.loads(os.environ[_TOLD])
                return told
            counts = decided(study, None if _submits(workflow) else _gpus(workflow), data)
            os.environ[_TOLD] = json.dumps(counts)
            part_from_groups(workflow, {job for own in counts.values() for job in own})
            return counts

        return cls(study, decide, data)

    @cached_property
    def counts(self) -> Counts:
        """See ``Counts``."""
        return self.decide()

    def count(self, model: str, job: str) -> int:
        """Jobs that share a model's pass."""
        return self.counts.get(model, {}).get(job, 1)

    def markers(self, job: str, wildcards: Any) -> list[str]:
        """What a job of a pass waits for: the pass for its shards, these for the one that prepares them."""
        stage, model = STAGES[job], wildcards.model
        if "shards" not in wildcards.keys():  # noqa: SIM118 - of Snakemake's
            count = self.count(model, job)
            numbers = range(1, count + 1) if count > 1 else ()
            return [Marker(model, stage.store, number, count).path for number in numbers]
        waits = int(wildcards.shard) > 0 and stage.prepares(self.study)
        return [Marker(model, stage.store, 0, int(wildcards.shards)).path] if waits else []

    def needs(self, job: str) -> dict[str, Callable[..., int] | int]:
        """The ``resources:`` of a pass and of its shards: their time is a part of it (see ``resources``)."""
        own = resources.needs(self.study, job, self.data)
        whole = own["runtime"]

        def runtime(wildcards: Any, attempt: int) -> int:
            assert callable(whole)
            of = self._of(job, wildcards)
            if of == 1:
                return whole(wildcards, attempt)
            size = _known_size(self.study, wildcards.model) if _is_shard(wildcards) else None
            if size is None:
                return resources.SHORTEST * attempt
            model, on_gpu = wildcards.model, self.study.gpus_of(wildcards.model) > 0
            time = resources.time_of(self.study, job, model, size, self.data, on_gpu=on_gpu)
            return resources.runtime_minutes(time.of(of), attempt=attempt)

        return {**own, "runtime": runtime}

    def expected_seconds(self, rule: str, wildcards: Any, *, submitted: bool) -> float | None:
        """How long a job may take; None if it loads no model, as far as one can tell."""
        model, job = wildcards.get("model", ""), SHARDS.get(rule, rule)
        of = self._of(job, wildcards)
        if of == 1:
            return resources.expected_seconds(
                self.study, job, model, submitted=submitted, data=self.data
            )
        if rule not in SHARDS:  # its shards have made all of its records
            return None
        size = _known_size(self.study, model)
        if size is None:
            return UNKNOWN
        time = resources.time_here(self.study, job, model, size, self.data, submitted=submitted)
        return 60 * time.of(of).minutes

    def _of(self, job: str, wildcards: Any) -> int:
        """Shards of the pass that a job belongs to."""
        if _is_shard(wildcards):
            return int(wildcards.shards)
        return self.count(wildcards.get("model", ""), job)


def _submits(workflow: Any) -> bool:
    """Whether jobs go to a cluster. A dry run only knows how many of them would be submitted at a time."""
    if not workflow.local_exec:
        return True
    typed = any(word.startswith(("-j", "--jobs")) for word in sys.argv)
    return bool(workflow.dryrun and workflow.nodes and not typed)


def _gpus(workflow: Any) -> int:
    """Of this machine, as far as the command line or a profile says (resources: gpu)."""
    found = workflow.global_resources.get("gpu")
    return 0 if found is None or found.value is None else int(found.value)


def _is_shard(wildcards: Any) -> bool:
    return wildcards.get("shards") is not None


def _known_size(study: Study, model: str) -> ModelSize | None:
    try:
        return find_size(study.model(model), Cache(study.execution.cache), Path("results"))
    except UserError:
        return None


def decided(study: Study, gpus: int | None, data: str | Path | None) -> dict[str, dict[str, int]]:
    """Model -> pass -> number of its shards, where these are more than one.

    ``gpus``: of this machine, where jobs run on it; None where they are submitted to a cluster.
    """
    found: dict[str, dict[str, int]] = {}
    for model in study.run_models:
        counts = {
            stage.name: count
            for stage in passes_of(study, model)
            if (count := _decided(study, stage, model, gpus, data)) > 1
        }
        if counts:
            found[model] = counts
    return found


def _decided(
    study: Study, stage: Stage, model: str, gpus: int | None, data: str | Path | None
) -> int:
    wanted = study.execution.shards
    most = 1 if stage.pieces is None else stage.pieces(study)
    if wanted is not None:
        return min(wanted, most)
    each = study.gpus_of(model)
    # Shards that take turns on one machine take longer than the whole.
    at_once = None if gpus is None else gpus // each if each else 1
    if most < 2 or (at_once is not None and at_once < 2):
        return 1
    size = _known_size(study, model)
    if size is None:
        return 1
    here = rates_here(Cache(study.execution.cache), "cuda") if each else None
    time = resources.time_of(
        study, stage.name, model, size, data, on_gpu=each > 0, here=here, together=True
    )
    return number_of(time, study.execution.job_minutes, min(most, at_once or most))


def number_of(time: Time, job_minutes: float, most: int) -> int:
    """Of a pass: so many that a job takes about ``job_minutes``, little of it until the model is loaded."""
    if time.working <= 0:
        return 1
    room = job_minutes - time.loading
    by_time = math.ceil(time.working / room) if room > 0 else most
    # loading <= STARTING * (loading + working / n)
    worth = (
        math.floor(time.working * STARTING / (time.loading * (1 - STARTING)))
        if time.loading > 0
        else most
    )
    return max(1, min(by_time, worth, most))
