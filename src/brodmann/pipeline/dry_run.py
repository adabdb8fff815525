"""What a dry run says: how many steps there are to do, by rule, and why; on one screen."""

from __future__ import annotations

import logging
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from brodmann.pipeline.made import few
from brodmann.pipeline.stages import PASSES, SHARDS, STAGES

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
# Changes of settings that are named.
_NAMED = 6

# What has changed since a stage of a model was made; of no stage: in the whole config, since all was.
Changed = Callable[..., list[str]]


@dataclass
class Planned:
    """The jobs of a dry run: how many of each rule there are, by reason, and what is known of some."""

    jobs: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    changed: list[str] = field(default_factory=list)  # settings, from what to what
    loading: set[str] = field(default_factory=set)  # passes of which nothing has been computed


class DryRun(logging.Handler):
    """Gathers the jobs of a dry run, and prints their summary when it ends."""

    def __init__(self, stream: TextIO, changed: Changed) -> None:
        super().__init__()
        self._stream, self._changed = stream, changed
        self._planned = Planned()
        self._targets: list[str] = []  # what they have to say

    def emit(self, record: logging.LogRecord) -> None:
        """Jobs are counted; warnings and errors are printed as they are."""
        event, text = getattr(record, "event", None), record.getMessage() if record.msg else ""
        if event == LogEvent.JOB_INFO:
            self._count(record)
        elif record.levelno >= logging.WARNING or text.startswith("Nothing to be done"):
            self._print(text)
        elif text.startswith("This was a dry-run"):
            # Of what has no settings file (selections, statistics, figures) only the whole config tells.
            self._planned.changed = self._changed() + self._planned.changed
            self._print(*self._targets, *summary(self._planned))

    def _count(self, record: Any) -> None:
        if record.output or record.shellcmd:
            self._planned.jobs[in_words(record.reason)][record.rule_name] += 1
            self._look(record.rule_name, Path(next(iter(record.output), "")))
        elif record.rule_msg:  # of a target, which is a name for files that rules make
            self._targets.append(record.rule_msg)

    def _look(self, rule: str, output: Path) -> None:
        """What its files tell of a job, beyond Snakemake's reason."""
        store = output.parent
        if rule == "settings":  # results/{model}/.store/{stage}.settings.json
            stage = output.name.removesuffix(".settings.json")
            self._planned.changed += self._changed(store.parent.name, stage)
        elif rule in PASSES or rule in SHARDS:
            store = next(
                (folder for folder in output.parents if folder.name == ".store"), store / ".store"
            )
            if not (store / STAGES[SHARDS.get(rule, rule)].store).is_dir():
                self._planned.loading.add(rule)

    def _print(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


def in_words(reason: str) -> str:
    """A reason of Snakemake's, in our words: of several the one that stands first among ``REASONS``."""
    return next((words for start, words in REASONS.items() if start in reason), _OTHER)


def summary(planned: Planned) -> list[str]:
    """Lines that name the reasons, and under each the rules with the number of their jobs."""
    jobs = planned.jobs
    count = sum(map(Counter.total, jobs.values()))
    lines = [f"{count} step{'' if count == 1 else 's'} to do; nothing has been run.", ""]
    for words in (*REASONS.values(), _OTHER):
        if words not in jobs:
            continue
        lines.append(f"{words}:")
        # A rule and its number stay on one line.
        rules = ", ".join(f"{rule}\xa0{number}" for rule, number in jobs[words].items())
        lines += [f"    {line}" for line in _wrapped(rules)]
    if planned.changed:
        named = few((one.replace(" ", "\xa0") for one in planned.changed), _NAMED)
        lines += ["", *_wrapped(f"Changed since: {named}.")]
    loading = PASSES.keys() | SHARDS.keys()
    passes = sorted({rule for some in jobs.values() for rule in some if rule in loading})
    loads = [one for one in passes if one in planned.loading]
    may = [one for one in passes if one not in loads]
    if loads:
        what = f"{', '.join(loads)}: nothing has been computed yet; a model is loaded."
        lines += ["", *_wrapped(what)]
    if may:
        what = (
            f"{', '.join(may)} may load a model: each looks first what of its work is in the store, and "
            "loads it only for what is missing."
        )
        lines += ["", *_wrapped(what)]
    return [*lines, "", "Every step with the files that are its reason: add --printshellcmds."]


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH, break_on_hyphens=False, break_long_words=False)
    return [line.replace("\xa0", " ") for line in lines]
