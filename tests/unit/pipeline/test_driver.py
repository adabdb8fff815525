"""Snakemake's loop looks at waiting jobs when one ends, not all the time."""

import inspect
from pathlib import PurePath
from types import SimpleNamespace

import pytest
import snakemake.api  # noqa: F401 (first: the others import each other)
from snakemake.scheduling.job_scheduler import JobScheduler
from snakemake.workflow import Workflow

from brodmann.pipeline.driver import tell_what_is_asked, wait_for_jobs_only
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
    assert code.index("self._onstart(") < code.index("self.scheduler.schedule()")


@pytest.mark.parametrize(
    ("targets", "until", "asked_for"),
    [
        ((), (), True),  # everything
        (("all",), (), True),
        (("baselines",), (), False),
        (("models", "items"), (), False),
        (("attributions",), (), True),
        (("overlaps",), (), True),
        (("networks",), (), True),
        (("baselines", "figures"), (), True),
        # --until ends the run, whatever its targets are.
        (("all",), ("baseline_pass",), False),
        ((), ("baseline",), False),
        ((), ("attribution_pass",), True),
        (("baselines",), ("masks",), True),
        # Files, of whatever task or model.
        (("results/m/baseline/language/agreement.json",), (), False),
        (("results/m/.store/baseline.json", "results/m/model.json"), (), False),
        (("results/items/language/agreement.json",), (), False),
        (("results/items/.second/language/agreement.json",), (), False),
        (("results/m/attribution/neurons/language/agreement.safetensors",), (), True),
        (("results/m/.store/attribution.json",), (), True),
        (("results/m/baseline/language/agreement.json", "results/report.html"), (), True),
        ((PurePath("results/m/masks/neurons/all-1.0pct/language/agreement.csv"),), (), True),
    ],
)
def test_jobs_are_told_whether_a_run_asks_for_attributions(targets, until, asked_for, monkeypatch):
    monkeypatch.setenv(asked._ATTRIBUTIONS, "0")  # put back afterwards
    settings = SimpleNamespace(targets=frozenset(targets), until=frozenset(until))
    workflow = SimpleNamespace(is_main_process=True, dag_settings=settings)
    tell_what_is_asked(workflow)
    assert asked.attributions_are_asked() == asked_for
    # A job's own process is a Snakemake with targets, too: it keeps what it was told.
    other = SimpleNamespace(targets=frozenset(["baselines" if asked_for else "all"]), until=())
    tell_what_is_asked(SimpleNamespace(is_main_process=False, dag_settings=other))
    assert asked.attributions_are_asked() == asked_for
