"""What a run says: its stages in words, how far it is (``live``, ``under_way``), and what failed.

Snakemake's own account goes to its log file (``.snakemake/log``). It keeps the terminal where it is asked to
say more (``--verbose``, ``--printshellcmds``, ``--debug-dag``) or less (``--quiet``).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.pipeline.dry_run import Changed, DryRun
from brodmann.pipeline.live import Screen, drawn, settled
from brodmann.pipeline.stages import SHARDS
from brodmann.pipeline.time_left import UNKNOWN, spoken
from brodmann.pipeline.under_way import Job, Run
from brodmann.store.progress import LOGS_ARE_SHOWN

# File of rules, or folder of such files -> the stage; nothing where it is done on the way.
STAGES = {
    "models": "Finding and checking the models",
    "items": "Writing the items of the tasks",
    "circuits/baseline": "Asking the models the tasks",
    "circuits/attribution": "Finding the circuits",
    "circuits/masks": "Comparing the circuits of tasks",
    "circuits/overlap": "Comparing the circuits of tasks",
    "circuits/agreement": "Holding estimates against true patching",
    "circuits/trials": "Holding estimators against true patching",
    "circuits/ablation": "Silencing the circuits",
    "circuits/ablation_matrices": "Silencing the circuits",
    "circuits/faithfulness": "Silencing everything but the circuits",
    "circuits/rivals": "Silencing everything but the circuits",
    "circuits/granularity": "Silencing circuits of larger units",
    "circuits/stability": "Comparing the circuits of tasks",
    "circuits/units": "Reading what strong units promote",
    "localizers": "Localizing units, and silencing them",
    "networks": "Finding functional networks",
    "comparison/network_use": "Using the networks",
    "comparison": "Comparing the maps",
    "statistics": "Testing across tasks and models",
    "statistics/surface": "",
    "figures": "Drawing the figures",
    "report": "Writing the report",
    "atlas": "Making the atlas",
}
# Rule -> its words, where no job before it has begun the stage: then no model is asked anything.
_WITHOUT_A_MODEL = {"baseline": "Choosing the tasks that the models can do"}
# Rules that are done on the way, files of such, and of targets that only name files.
_SILENT = ("settings", "Snakefile", "provenance", "methods")
# Lines of a log that are shown when its job has failed.
_SHOWN_LINES = 12
# Seconds until lines below are written anew.
_BEAT = 1.0
# Seconds until a job is said to have failed. Ctrl-C ends jobs and Snakemake at once, and what became of the
# jobs may be heard before the stop is.
_GRACE = 1.0
# Rules after which more is known of how long a model's jobs take.
_TELLING = ("fetch_model", "check_model")
# What Snakemake says in passing that its user should hear.
_PASSED_ON = (
    *("Unlocked", "Cancelling", "Write-protecting", "archived", "Congratulations"),
    *("Creating conda environment", "Downloading and installing"),
)
# After these, no further job begins; after the first, jobs are ended.
_STOPPED = "Terminating processes"
_ENDING = (_STOPPED, "Will exit after")
_GOES_ON = "The same command goes on from here."
# What it says of failed jobs, of which this module says more.
_SAID_BETTER = ("Exiting because a job", "At least one job", "CalledProcessError in file")


def take_over(
    workflow: Any,
    expected: Callable[[Any], float | None],
    at_end: Callable[[], None],
    changed: Changed,
) -> Terminal | None:
    """Say what this run does in the place of Snakemake; None where Snakemake goes on to.

    ``expected``: seconds that a job may take, None of a light one. ``at_end``: says what was found.
    ``changed``: what has, for a dry run.
    """
    asked = workflow.output_settings
    spoken_for = asked.verbose or asked.printshellcmds or asked.debug_dag or asked.quiet
    if not workflow.is_main_process or spoken_for:
        return None
    logger = logging.getLogger("snakemake.logging")
    for handler in list(logger.handlers):
        # With a plugin that writes to the terminal there is none of this name.
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
            if asked.dryrun:
                logger.addHandler(DryRun(handler.stream, changed))
                return None
            os.environ[LOGS_ARE_SHOWN] = "1"
            terminal = Terminal(handler.stream, workflow, expected, at_end)
            logger.addHandler(terminal)
            return terminal
    return None


class Terminal(logging.Handler):
    """Prints a line when a stage begins; on a terminal, one when it is through, and below these a line for
    each stage that runs, written anew."""

    def __init__(
        self,
        stream: TextIO,
        workflow: Any,
        expected: Callable[[Any], float | None],
        at_end: Callable[[], None],
    ) -> None:
        super().__init__()
        self._workflow, self._expected, self._at_end = workflow, expected, at_end
        self._screen = Screen(stream)
        self._run = Run()
        self._targets = 0  # names for files: Snakemake counts them as steps
        self._unknown: dict[Any, Any] = {}  # jobs whose model nobody knows yet
        self._said: set[str] = set()
        self._stopped = False  # by Ctrl-C
        # Failures, until it is clear that nobody stopped the run.
        self._unsaid: list[tuple[Any, Job]] = []
        self._over = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """What Snakemake reports, in our words; no run ends because something could not be said."""
        try:
            self._hear(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Nothing is drawn any more."""
        self._say_failures()
        self._stop()
        super().close()

    def finished(self) -> None:
        """All is done: say so, and what was found."""
        self._stop()
        self._say(f"All {self._run.total} steps are done ({spoken(self._run.seconds)}).")
        self._at_end()

    def _hear(self, record: logging.LogRecord) -> None:
        heard = {
            LogEvent.RUN_INFO: self._plan,
            LogEvent.JOB_INFO: self._start,
            LogEvent.JOB_FINISHED: self._finish,
            LogEvent.PROGRESS: self._progress,
            LogEvent.JOB_ERROR: self._fail,
            LogEvent.GROUP_ERROR: self._fail_together,
        }
        event = getattr(record, "event", None)
        if event in heard:
            heard[event](record)
        elif event in (None, LogEvent.ERROR):
            self._pass_on(record)

    def _plan(self, record: Any) -> None:
        dag = self._workflow.dag
        jobs = list(dag.needrun_jobs())
        rules = {job.rule.name for job in jobs}
        self._targets = 0
        for job in jobs:
            if not (job.output or job.shellcmd):
                self._targets += 1
                continue
            number, rule, expected = dag.jobid(job), job.rule.name, self._expected(job)
            self._run.plan(number, rule, self._stage_of(rule, rules), expected)
            if expected == UNKNOWN:
                self._unknown[number] = job
        self._run.total = record.stats.get("total", 0) - self._targets
        shared = Counter(
            (job.wildcards.model, SHARDS[job.rule.name].removesuffix("_pass"))
            for job in jobs
            if job.rule.name in SHARDS and int(job.wildcards.shard)
        )
        if shared:
            words = (f"{model} {stage} ({count})" for (model, stage), count in shared.items())
            self._say(f"Shared by several jobs: {', '.join(words)}")
        if self._screen.live:
            threading.Thread(target=self._beat, daemon=True).start()

    def _start(self, record: Any) -> None:
        words = record.rule_msg or record.rule_name.replace("_", " ")
        if record.rule_msg and not (record.output or record.shellcmd):  # a target
            self._say(record.rule_msg)
            return
        # Whether a cluster has begun with it is seen when its log is looked at.
        queued = self._screen.live and not (record.local or self._workflow.local_exec)
        model = (record.wildcards or {}).get("model", "")
        job = Job(record.rule_name, words, tuple(map(str, record.log or ())), model, queued)
        stage = self._run.start(record.jobid, job)
        if stage is not None and not self._screen.live:
            self._say(self._so_far(stage.words))

    def _stage_of(self, rule: str, rules: Collection[str]) -> str:
        """The stage that a rule belongs to, in words; nothing for what is of no interest. ``rules``: of all
        jobs that will be run."""
        rule = SHARDS.get(rule, rule)
        file = Path(str(self._workflow.get_rule(rule).snakefile))
        if {file.stem, rule} & set(_SILENT):
            return ""
        folder = file.parent.name
        for name in (f"{folder}/{file.stem}", folder, file.stem):
            if name in STAGES:
                alone = f"{rule}_pass" not in rules
                return _WITHOUT_A_MODEL.get(rule, STAGES[name]) if alone else STAGES[name]
        return f"Working on {folder}"

    def _finish(self, record: Any) -> None:
        stage = self._run.finish(record.job_id)
        if self._run.rule_of(record.job_id) in _TELLING:
            for number, job in list(self._unknown.items()):
                if (expected := self._expected(job)) != UNKNOWN:
                    del self._unknown[number]
                    self._run.expect(number, expected)
        if stage is not None and self._screen.live:
            self._say(settled(self._run, stage, *self._screen.size()[:1]))

    def _progress(self, record: Any) -> None:
        self._run.total = record.total - self._targets
        self._run.done = min(record.done, self._run.total)

    def _fail(self, record: Any) -> None:
        self._unsaid.append((record, self._run.fail(record.jobid, record.rule_name)))
        waiting = threading.Timer(_GRACE, self._after_the_grace)
        waiting.daemon = True
        waiting.start()

    def _after_the_grace(self) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._say_failures()

    def _say_failures(self) -> None:
        """Of the jobs that failed by themselves; what a stop ended will be run again by the next command."""
        self.acquire()
        try:
            unsaid, self._unsaid = self._unsaid, []
            for record, job in unsaid:
                if self._stopped:
                    self._run.again(record.jobid)
                else:
                    self._say_failure(record, job)
        finally:
            self.release()

    def _say_failure(self, record: Any, job: Job) -> None:
        self._say(f"Failed: {job.words} (rule {record.rule_name})")
        if record.rule_msg:  # what the cluster says of it
            self._say(*_indented([str(record.rule_msg)]))
        self._show_logs((*job.logs, *map(str, record.log or ())))

    def _fail_together(self, record: Any) -> None:
        self._say("Failed: jobs that shared an allocation of the cluster; each follows")
        self._show_logs(map(str, record.aux_logs or ()))

    def _show_logs(self, logs: Iterable[str]) -> None:
        for log in dict.fromkeys(logs):
            self._say(*_indented(_last_lines(log)), f"    log: {self._from_user(log)}")

    def _pass_on(self, record: logging.LogRecord) -> None:
        text = record.getMessage() if record.msg else ""
        if text.startswith("Trying to restart job"):
            name = text.removesuffix(".").rpartition(" ")[2]  # a number, or that of jobs together
            job = self._run.again(int(name)) if name.isdecimal() else None
            self._say(f"Trying it again{f': {job.words}' if job else ''}")
        elif text.startswith("Nothing to be done"):
            self._say(text)
            self._at_end()
        elif text.startswith("Complete log(s):"):
            self._end(text.partition(": ")[2])
        elif any(words in text for words in _SAID_BETTER):
            return
        elif text not in self._said and (
            record.levelno >= logging.WARNING or text.startswith((*_PASSED_ON, *_ENDING))
        ):
            self._said.add(text)
            self._run.ending |= text.startswith(_ENDING)
            self._stopped |= text.startswith(_STOPPED)
            self._say(text)

    def _end(self, log: str) -> None:
        """The last line of all: what is wrong, and where Snakemake tells it at length."""
        self._say_failures()
        self._stop()
        run = self._run
        if self._screen.live and run.done < run.total:
            columns, _ = self._screen.size()
            cut_short = [one for one in run.stages.values() if not one.through]
            self._say(*(settled(run, one, columns) for one in cut_short))
        # By Ctrl-C; or by SIGTERM, after which the jobs that run are waited for.
        if self._stopped or (run.ending and not run.failed and run.done < run.total):
            self._say(f"Stopped: {run.done} of {run.total} steps are done. {_GOES_ON}")
        elif run.failed:
            rest = run.total - run.done - len(run.failed)
            waiting = f"; steps not begun because of that: {rest}" if rest > 0 else ""
            count = len(run.failed)
            steps = "1 step" if count == 1 else f"{count} steps"
            self._say(f"{steps} failed{waiting}. {_GOES_ON}")
        self._say(f"Snakemake's own log: {self._from_user(log)}")

    def _from_user(self, path: str) -> str:
        """A path as it reads where the user stands, who may have given ``--directory``."""
        return str(Path(self._workflow.overwrite_workdir or "", os.path.relpath(path)))

    def _so_far(self, words: str) -> str:
        """With how much is done, and how long the rest may take."""
        run = self._run
        width, left = len(str(run.total)), run.left.seconds()
        soon = "" if left is None else f", about {spoken(left)} left"
        return f"[{run.done:{width}} of {run.total}] {words}{soon}"

    def _say(self, *lines: str) -> None:
        """Lines that stay, in the order in which things happened."""
        self._say_failures()
        self._screen.say(*lines)
        self._draw()

    def _beat(self) -> None:
        """Write the lines below anew, until the end."""
        while not self._over.wait(_BEAT):
            self.acquire()
            try:
                self._run.look()
                self._draw()
            except OSError:  # the terminal is gone
                return
            finally:
                self.release()

    def _draw(self) -> None:
        if self._screen.live and self._run.stages and not self._over.is_set():
            self._screen.draw(drawn(self._run, *self._screen.size()))

    def _stop(self) -> None:
        self._over.set()
        self.acquire()
        try:
            self._screen.clear()
        finally:
            self.release()


def _last_lines(path: str) -> list[str]:
    try:
        text = Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ["(it has written no log)"]
    # Of a line that was written anew, as progress bars are, the last that was seen.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.rstrip().split("\n")]
    return lines[-_SHOWN_LINES:] if any(lines) else ["(its log is empty)"]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for one in lines for line in one.splitlines())
