"""The process that runs a study: Snakemake's own loop."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from brodmann.runner import asked

# Rules at which a run may end without asking for an attribution.
_BEFORE = frozenset({"models", "items", "baselines", "fetch_model", "check_model", "expand_items"})
_BEFORE |= {"expand_second_items", "settings", "baseline_pass", "baseline"}


def tell_what_is_asked(workflow: Any) -> None:
    """Let the jobs of this run know whether attributions are asked for, beside baselines.

    When the run starts: while the Snakefile is read, Snakemake has not set its targets yet.
    """
    if workflow.is_main_process:
        asked.tell(_asks_for_attributions(workflow.dag_settings))


def _asks_for_attributions(settings: Any) -> bool:
    ends = set(settings.until or settings.targets)
    return not ends or any(_is_beyond(str(end)) for end in ends)


def _is_beyond(target: str) -> bool:
    """Whether a rule or file is made of attributions, for all that its name says."""
    parts = PurePath(target).parts
    if len(parts) < 2:
        return target not in _BEFORE
    return not ({"baseline", "items"} & set(parts) or parts[-1] in ("model.json", "baseline.json"))


def wait_for_jobs_only(workflow: Any) -> None:
    """Take away the limit of jobs per second, before the first job is chosen.

    To keep the limit (100 a second, which no study reaches), Snakemake looks at all waiting jobs again a
    second after every look, and each job that ends adds a look of its own that is repeated for ever: after
    170 jobs that is a quarter of a core, after 1,000 all of one. Without a limit it looks when a job ends.
    """
    scheduler = getattr(workflow, "scheduler", None)
    if getattr(scheduler, "job_rate_limiter", None) is not None:
        scheduler.job_rate_limiter = None
