"""The process that runs a study: Snakemake's own loop."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from brodmann.config.study import Study
from brodmann.figures.registry import families
from brodmann.pipeline import stages
from brodmann.pipeline.forks import OFFLINE, ONE_THREAD, Forks
from brodmann.runner import asked
from brodmann.statistics import registry
from brodmann.store.shares import is_marker

# What every job imports; and what figures, and tables, import beside the module of their function.
_ALL = ("brodmann.pipeline.job", "brodmann.pipeline.stages")
_DRAWING = (
    *("brodmann.figures.draw", "matplotlib.pyplot", "matplotlib.backends.backend_svg"),
    *("matplotlib.backends.backend_pdf", "fontTools.subset"),
)
_TESTING = ("brodmann.statistics.study_tables", "scipy.stats")
_RUNNING = "brodmann.runner.ready"
# Where a GPU is, as drivers show it.
_GPUS = ("/dev/nvidiactl", "/dev/kfd")
# What some functions import themselves.
_MORE = {"printed_tables": _TESTING, "write_report": ("brodmann.report.compose",)}


def tell_what_is_asked(workflow: Any) -> None:
    """Let the jobs of this run know whether it needs attributions, beside baselines.

    When the run starts: while the Snakefile is read, Snakemake does not know its jobs yet.
    """
    if workflow.is_main_process:
        asked.tell(any(job.rule.name == "attribution_pass" for job in workflow.dag.jobs))


def show_to_containers(workflow: Any, folder: Path) -> None:
    """Let jobs in containers read the tasks and texts in ``folder``: of the host, Apptainer shows them the
    study alone."""
    found, bind = workflow.deployment_settings, f"--bind {shlex.quote(str(folder))}"
    methods = {method.name for method in found.deployment_method}
    # A job that Snakemake starts as a process of its own inherits it.
    if "APPTAINER" in methods and bind not in found.apptainer_args:
        found.apptainer_args = f"{found.apptainer_args} {bind}".strip()


def wait_for_jobs_only(workflow: Any) -> None:
    """Take away the limit of jobs per second, before the first job is chosen.

    To keep the limit (100 a second, which no study reaches), Snakemake looks at all waiting jobs again a
    second after every look, and each job that ends adds a look of its own that is repeated for ever: after
    170 jobs that is a quarter of a core, after 1,000 all of one. Without a limit it looks when a job ends.
    """
    scheduler = getattr(workflow, "scheduler", None)
    if getattr(scheduler, "job_rate_limiter", None) is not None:
        scheduler.job_rate_limiter = None


def fork_jobs(workflow: Any, study: Study) -> None:
    """Start jobs as forks (``forks``), where they use the driver's own environment.

    Passes that may take a GPU, or start processes that share their model, stay processes of their own: both
    are settled before a library is imported.
    """
    from snakemake.benchmark import benchmarked
    from snakemake.script import PythonScript

    if not workflow.is_main_process or not sys.platform.startswith("linux"):
        return
    light, passes, as_process = Forks(ONE_THREAD), Forks(OFFLINE), PythonScript.execute_script
    gpus = any(Path(place).exists() for place in _GPUS)

    def execute_script(job: Any, fname: str, edit: bool = False) -> None:
        elsewhere = job.conda_env or job.container_img or job.env_modules or job.shadow_dir
        loads_model = job.rulename in stages.PASSES or job.rulename in stages.SHARDS
        apart = loads_model and (gpus or study.model(job.wildcards.model).parallel == "tensor")
        if elsewhere or edit or apart:
            return as_process(job, fname, edit)
        forks = passes if loads_model else light
        modules, record = (*_ALL, *_imported(job.rulename)), job.bench_record
        watching = partial(benchmarked, benchmark_record=record) if record else nullcontext
        if code := forks.run(fname, modules, job.resources.get("tmpdir"), watching):
            raise subprocess.CalledProcessError(code, [sys.executable, fname])

    PythonScript.execute_script = execute_script


def forget_what_was_waited_for() -> None:
    """What a pass only waited for is no reason to run it again: Snakemake does not note its shards, however
    many, nor files that rules call ancient.

    It compares a job's input files with those that the job had when it made its output.
    """
    from snakemake.persistence import PersistenceBase

    noted = PersistenceBase._input
    if getattr(noted, "without_waiting", False):
        return

    def _input(self: Any, job: Any) -> list[str]:
        ancient = {path for path in job.input if path.is_ancient}
        return [path for path in noted(self, job) if not is_marker(path) and path not in ancient]

    _input.without_waiting = True  # type: ignore[attr-defined]
    PersistenceBase._input = _input


def part_from_groups(workflow: Any, passes: Collection[str]) -> None:
    """Take passes that have shards out of groups of several rules.

    A group is submitted as one job. Shards lie between its members: they follow one and precede the other.
    """
    groups = dict(workflow.group_settings.overwrite_groups)
    sizes = Counter(groups.values())
    shared = [rule for rule in passes if sizes[groups.get(rule)] > 1]
    if shared and workflow.is_main_process:
        for rule in shared:
            del groups[rule]
        workflow.group_settings.overwrite_groups = groups


def _imported(rule: str) -> tuple[str, ...]:
    """What a fork for the rule should have imported."""
    rule = stages.SHARDS.get(rule, rule)
    if rule in stages.JOBS:
        more = (_RUNNING,) if rule in stages.PASSES else _MORE.get(rule, ())
        return (stages.JOBS[rule].partition(":")[0], *more)
    for job in registry.JOBS:
        if job.rule == rule:
            return (*_TESTING, f"brodmann.statistics.stages.{job.write.partition(':')[0]}")
    for family in families():
        if family.rule == rule:
            drawn = {one.draw.partition(":")[0] for one in family.figures}
            return (*_DRAWING, *(f"brodmann.figures.{module}" for module in sorted(drawn)))
    return ()
