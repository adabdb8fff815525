"""Snakemake's loop looks at waiting jobs when one ends, not all the time."""

import inspect
from types import SimpleNamespace

import snakemake.api  # noqa: F401 (first: the others import each other)
from snakemake.persistence import PersistenceBase
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.workflow import Workflow

from brodmann.pipeline.driver import (
    forget_what_was_waited_for,
    part_from_groups,
    tell_what_is_asked,
    wait_for_jobs_only,
)
from brodmann.runner import asked


def test_the_limit_is_taken_away():
    workflow = SimpleNamespace(scheduler=SimpleNamespace(job_rate_limiter=object()))
    wait_for_jobs_only(workflow)
    assert workflow.scheduler.job_rate_limiter is None
    wait_for_jobs_only(workflow)


def test_a_snakemake_that_has_none_is_left_alone():
    wait_for_jobs_only(SimpleNamespace())
    workflow = SimpleNamespace(scheduler=SimpleNamespace())
    wait_for_jobs_only(workflow)
    assert not hasattr(workflow.scheduler, "job_rate_limiter")


def test_this_snakemake_still_has_what_is_taken_away():
    """Where this fails the workaround can go, or has to follow."""
    assert "if self.job_rate_limiter is None:" in inspect.getsource(JobScheduler.job_selector)
    code = inspect.getsource(Workflow.execute)
    marks = ("self._build_dag()", "self._onstart(", "self.scheduler.schedule()")
    assert [code.index(mark) for mark in marks] == sorted(code.index(mark) for mark in marks)


def test_only_the_main_process_tells_jobs_what_is_asked(monkeypatch):
    """What runs ask for: tests/workflow/test_dag.py."""
    monkeypatch.setenv(asked._ATTRIBUTIONS, "0")  # put back afterwards
    job = SimpleNamespace(rule=SimpleNamespace(name="attribution_pass"))
    workflow = SimpleNamespace(is_main_process=True, dag=SimpleNamespace(jobs=[job]))
    tell_what_is_asked(workflow)
    assert asked.attributions_are_asked()
    # A job's own process is a Snakemake with a single job: it keeps what it was told.
    workflow = SimpleNamespace(is_main_process=False, dag=SimpleNamespace(jobs=[]))
    tell_what_is_asked(workflow)
    assert asked.attributions_are_asked()


def test_what_a_pass_only_waited_for_is_not_noted():
    """Snakemake runs a job again that has other inputs than when it made its output."""

    class File(str):
        is_storage = False

        @property
        def is_ancient(self):
            return self.startswith("results/trained")

    class Job:
        def __init__(self, shards):
            place, lent = "results/tiny/.store", [f"results/trained/{n}" for n in range(shards)]
            markers = [f"{place}/shards/lesion.{n}-of-{shards}.json" for n in range(1, shards + 1)]
            own = [f"{place}/localizer.json", *lent, *markers, "results/tiny/x"]
            self.input = list(map(File, own))

    for _ in range(2):
        forget_what_was_waited_for()
        for shards in (0, 1, 3):
            noted = PersistenceBase._input(object(), Job(shards))
            assert noted == ["results/tiny/.store/localizer.json", "results/tiny/x"]
    code = inspect.getsource(PersistenceBase)
    assert "recorded != self._input(job)" in code, "it is what Snakemake compares"


def test_a_pass_with_shards_leaves_a_group_of_several_rules():
    groups = {"check_model": "start", "baseline_pass": "start", "ablation_pass": "ablation"}
    settings = SimpleNamespace(overwrite_groups=groups)
    workflow = SimpleNamespace(is_main_process=True, group_settings=settings)
    part_from_groups(workflow, ["lesion_pass", "ablation_pass"])
    assert settings.overwrite_groups is groups
    part_from_groups(workflow, ["baseline_pass", "ablation_pass"])
    assert settings.overwrite_groups == {"check_model": "start", "ablation_pass": "ablation"}
