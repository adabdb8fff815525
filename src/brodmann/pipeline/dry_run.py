"""What a dry run says: how many steps there are to do, by rule, and why; on one screen."""

from __future__ import annotations

import logging
import textwrap
from collections import Counter, defaultdict
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.pipeline.stages import PASSES, SHARDS

# What Snakemake gives as a reason -> the same in words, the first that applies.
REASONS = {
    "Forced execution": "Asked for (--force, --forcerun)",
    "Incomplete output files": "Begun and not finished",
    "Missing output files": "Not made yet",
    "Params have changed": "Settings have changed",
    "Updated input files": "Their input files have changed",
    "Set of input files has changed": "They read other files than before",
    "Software environment": "Their software environment has changed",
    "Code has changed": "Their code has changed",
    "Input files updated by another job": "What they read is made anew",
}
_OTHER = "Always run"
_WIDTH = 96


class DryRun(logging.Handler):
    """Gathers the jobs of a dry run, and prints their summary when it ends."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._jobs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._targets: list[str] = []  # what they have to say

    def emit(self, record: logging.LogRecord) -> None:
        """Jobs are counted; warnings and errors are printed as they are."""
        event, text = getattr(record, "event", None), record.getMessage() if record.msg else ""
        if event == LogEvent.JOB_INFO:
            self._count(record)
        elif record.levelno >= logging.WARNING or text.startswith("Nothing to be done"):
            self._print(text)
        elif text.startswith("This was a dry-run"):
            self._print(*self._targets, *summary(self._jobs))

    def _count(self, record: Any) -> None:
        if record.output or record.shellcmd:
            self._jobs[in_words(record.reason)][record.rule_name] += 1
        elif record.rule_msg:  # of a target, which is a name for files that rules make
            self._targets.append(record.rule_msg)

    def _print(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def in_words(reason: str) -> str:
    """A reason of Snakemake's, in our words: of several the one that stands first among ``REASONS``."""
    return next((words for start, words in REASONS.items() if start in reason), _OTHER)


def summary(jobs: dict[str, Counter[str]]) -> list[str]:
    """Lines that name the reasons, and under each the rules with the number of their jobs."""
    count = sum(map(Counter.total, jobs.values()))
    lines = [f"{count} step{'' if count == 1 else 's'} to do; nothing has been run.", ""]
    for words in (*REASONS.values(), _OTHER):
        if words not in jobs:
            continue
        lines.append(f"{words}:")
        # A rule and its number stay on one line.
        rules = ", ".join(f"{rule}\xa0{number}" for rule, number in jobs[words].items())
        wrapped = textwrap.wrap(rules, _WIDTH, break_on_hyphens=False, break_long_words=False)
        lines += [f"    {line}" for line in "\n".join(wrapped).replace("\xa0", " ").splitlines()]
    loading = PASSES.keys() | SHARDS.keys()
    passes = sorted({rule for some in jobs.values() for rule in some if rule in loading})
    if passes:
        what = f"{', '.join(passes)} load a model; what they have computed before is not computed again."
        lines += ["", *textwrap.wrap(what, _WIDTH)]
    return [*lines, "", "Every step with the files that are its reason: add --printshellcmds."]
