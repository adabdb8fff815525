"""What a run says: its stages in words, how far it is, and what failed.

Snakemake's own account goes to its log file (``.snakemake/log``). It keeps the terminal where it is asked to
say more (``--verbose``, ``--printshellcmds``, ``--debug-dag``) or less (``--quiet``).
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.pipeline.dry_run import Changed, DryRun
from brodmann.pipeline.job import LOGS_ARE_SHOWN
from brodmann.pipeline.stages import SHARDS
from brodmann.pipeline.time_left import TimeLeft, spoken

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
# What Snakemake says in passing that its user should hear.
_PASSED_ON = (
    *("Unlocked", "Terminating processes", "Will exit after", "Cancelling", "Write-protecting"),
    *("archived", "Creating conda environment", "Downloading and installing", "Congratulations"),
)
# What it says of failed jobs, of which this module says more.
_SAID_BETTER = ("Exiting because a job", "At least one job", "CalledProcessError in file")


@dataclass(frozen=True)
class Started:
    """A job on its way: its rule, what it does, and its logs."""

    rule: str
    words: str
    logs: tuple[str, ...]


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
    """Prints a line when a stage begins; on a terminal, a last line, written anew, says what is done now."""

    def __init__(
        self,
        stream: TextIO,
        workflow: Any,
        expected: Callable[[Any], float | None],
        at_end: Callable[[], None],
    ) -> None:
        super().__init__()
        self._stream, self._workflow, self._expected = stream, workflow, expected
        self._at_end = at_end
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._done = self._total = 0
        self._targets = 0  # names for files: Snakemake counts them as steps
        self._left = TimeLeft()
        self._jobs: dict[Any, Started] = {}
        self._stages: set[str] = set()
        self._failed: dict[Any, Started] = {}
        self._said: set[str] = set()
        self._began = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """What Snakemake reports, in our words; no run ends because something could not be said."""
        try:
            self._hear(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

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

    def finished(self) -> None:
        """All is done: say so, and what was found."""
        took = spoken(time.monotonic() - self._began)
        self._say(f"All {self._total} steps are done ({took}).")
        self._at_end()

    def _plan(self, record: Any) -> None:
        dag = self._workflow.dag
        self._targets = sum(not (job.output or job.shellcmd) for job in dag.needrun_jobs())
        self._total = record.stats.get("total", 0) - self._targets
        for job in dag.needrun_jobs():
            self._left.expect(dag.jobid(job), job.rule.name, self._expected(job))
        shared = Counter(
            (job.wildcards.model, SHARDS[job.rule.name].removesuffix("_pass"))
            for job in dag.needrun_jobs()
            if job.rule.name in SHARDS and int(job.wildcards.shard)
        )
        if shared:
            words = (f"{model} {stage} ({count})" for (model, stage), count in shared.items())
            self._say(f"Shared by several jobs: {', '.join(words)}")

    def _start(self, record: Any) -> None:
        words = record.rule_msg or record.rule_name.replace("_", " ")
        self._jobs[record.jobid] = Started(record.rule_name, words, tuple(record.log or ()))
        self._left.start(record.jobid)
        if record.rule_msg and not (record.output or record.shellcmd):  # a target
            self._say(record.rule_msg)
            return
        stage = self._stage_of(record.rule_name)
        if stage and stage not in self._stages:
            self._stages.add(stage)
            self._say(self._so_far(stage))
        self._show(words)

    def _stage_of(self, rule: str) -> str:
        """The stage that a rule belongs to, in words; nothing for what is of no interest."""
        rule = SHARDS.get(rule, rule)
        file = Path(str(self._workflow.get_rule(rule).snakefile))
        if {file.stem, rule} & set(_SILENT):
            return ""
        folder = file.parent.name
        for name in (f"{folder}/{file.stem}", folder, file.stem):
            if name in STAGES:
                words = STAGES[name]
                return words if words in self._stages else _WITHOUT_A_MODEL.get(rule, words)
        return f"Working on {folder}"

    def _finish(self, record: Any) -> None:
        self._left.finish(record.job_id)
        self._failed.pop(record.job_id, None)

    def _progress(self, record: Any) -> None:
        self._total = record.total - self._targets
        self._done = min(record.done, self._total)
        running = [
            self._jobs[number].words for number in self._left.running if number in self._jobs
        ]
        if running:
            self._show(running[0])

    def _fail(self, record: Any) -> None:
        jobid = record.jobid
        job = self._jobs.get(jobid) or Started(record.rule_name, record.rule_name, ())
        self._failed[jobid] = job
        self._left.give_up(jobid)
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
            job = self._failed.pop(int(name), None) if name.isdecimal() else None
            self._say(f"Trying it again{f': {job.words}' if job else ''}")
        elif text.startswith("Nothing to be done"):
            self._say(text)
            self._at_end()
        elif text.startswith("Complete log(s):"):
            self._close(text.partition(": ")[2])
        elif any(words in text for words in _SAID_BETTER):
            return
        elif text not in self._said and (
            record.levelno >= logging.WARNING or text.startswith(_PASSED_ON)
        ):
            self._said.add(text)
            self._say(text)

    def _close(self, log: str) -> None:
        """The last line of all: what is wrong, and where Snakemake tells it at length."""
        if self._failed:
            rest = self._total - self._done - len(self._failed)
            waiting = f"; steps not begun because of that: {rest}" if rest > 0 else ""
            count = len(self._failed)
            steps = "1 step" if count == 1 else f"{count} steps"
            self._say(f"{steps} failed{waiting}. The same command goes on from here.")
        self._say(f"Snakemake's own log: {self._from_user(log)}")

    def _from_user(self, path: str) -> str:
        """A path as it reads where the user stands, who may have given ``--directory``."""
        return str(Path(self._workflow.overwrite_workdir or "", os.path.relpath(path)))

    def _so_far(self, words: str) -> str:
        """With how much is done, and how long the rest may take."""
        width = len(str(self._total))
        left = self._left.seconds()
        soon = "" if left is None else f", about {spoken(left)} left"
        return f"[{self._done:{width}} of {self._total}] {words}{soon}"

    def _say(self, *lines: str) -> None:
        """Lines that stay."""
        clear = "\r\033[K" if self._live else ""
        self._stream.write(clear + "".join(f"{line}\n" for line in lines))
        self._stream.flush()

    def _show(self, words: str) -> None:
        """The line that is written anew; nothing where lines cannot be."""
        if self._live:
            room = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\033[K{self._so_far(words)[:room]}\r")
            self._stream.flush()


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
