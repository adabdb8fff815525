"""Snakemake's loop looks at waiting jobs when one ends, not all the time."""

import inspect
import os
from types import SimpleNamespace

import snakemake.api  # noqa: F401 (first: the others import each other)
from snakemake.benchmark import BenchmarkRecord
from snakemake.persistence import PersistenceBase
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.script import PythonScript
from snakemake.workflow import Workflow

from brodmann.pipeline import driver
from brodmann.pipeline.driver import (
    forget_what_was_waited_for,
    fork_jobs,
    part_from_groups,
    tell_what_is_asked,
    wait_for_jobs_only,
)
from brodmann.runner import asked

ELSEWHERE = dict.fromkeys(("conda_env", "container_img", "env_modules", "shadow_dir"))


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


def test_which_jobs_are_forks(monkeypatch, tmp_path):
    """Passes are, too, unless they may take a GPU or start processes that share their model."""
    ran = []

    class Forks:
        def __init__(self, environment):
            self.name = "passes" if environment == driver.OFFLINE else "light"

        def run(self, script, modules, folders, watching):
            ran.append((self.name, "brodmann.runner.ready" in modules))
            with watching(os.getpid()):
                return 0

    def as_process(*_):
        ran.append("alone")

    monkeypatch.setattr(driver, "Forks", Forks)
    parallel = {"plain": "layers", "shared": "tensor"}
    study = SimpleNamespace(model=lambda name: SimpleNamespace(parallel=parallel[name]))

    def of(rule, model="plain", record=None, gpu="/dev/no_gpu", **more):
        ran.clear()
        monkeypatch.setattr(driver, "_GPUS", (gpu,))
        monkeypatch.setattr(PythonScript, "execute_script", as_process)
        fork_jobs(SimpleNamespace(is_main_process=True), study)
        where = SimpleNamespace(model=model)
        asked = {"rulename": rule, "wildcards": where, "resources": {}, "bench_record": record}
        PythonScript.execute_script(SimpleNamespace(**{**ELSEWHERE, **asked, **more}), "x.py")
        return ran[0]

    record = BenchmarkRecord()
    assert of("lesion_pass", record=record) == ("passes", True)
    assert record.running_time > 0 and record.max_rss > 1, "it is measured"
    assert of("lesion_shard") == of("check_model") == ("passes", True)
    assert of("overlap") == of("overlap_figures") == ("light", False)
    (tmp_path / "gpu").touch()
    assert of("lesion_pass", gpu=tmp_path / "gpu") == of("lesion_pass", "shared") == "alone"
    assert of("overlap", gpu=tmp_path / "gpu") == of("overlap", "shared") == ("light", False)
    assert of("lesion_pass", conda_env="x") == of("overlap", conda_env="x") == "alone"
