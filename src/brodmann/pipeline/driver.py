"""The process that runs a study: Snakemake's own loop."""

from __future__ import annotations

from typing import Any

from brodmann.runner import asked


def tell_what_is_asked(workflow: Any) -> None:
    """Let the jobs of this run know whether it needs attributions, beside baselines.

    When the run starts: while the Snakefile is read, Snakemake does not know its jobs yet.
    """
    if workflow.is_main_process:
        asked.tell(any(job.rule.name == "attribution_pass" for job in workflow.dag.jobs))


def wait_for_jobs_only(workflow: Any) -> None:
    """Take away the limit of jobs per second, before the first job is chosen.

    To keep the limit (100 a second, which no study reaches), Snakemake looks at all waiting jobs again a
    second after every look, and each job that ends adds a look of its own that is repeated for ever: after
    170 jobs that is a quarter of a core, after 1,000 all of one. Without a limit it looks when a job ends.
    """
    scheduler = getattr(workflow, "scheduler", None)
    if getattr(scheduler, "job_rate_limiter", None) is not None:
        scheduler.job_rate_limiter = None
