"""What every job's script needs: a log, errors in one line, progress, and the study."""

from __future__ import annotations

import contextlib
import errno
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

from brodmann.config.study import Study
from brodmann.errors import Problem, UserError
from brodmann.pipeline.stages import SHARDS, STAGES
from brodmann.store.progress import LOGS_ARE_SHOWN
from brodmann.store.shares import Marker, Share

log = logging.getLogger("brodmann")

_ROOM = "make room, then run the same command again: what is finished is kept"
_RIGHTS = "give yourself the right to write there, or use --directory"
_ADVICE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
}


def run(
    snakemake: Any,
    jobs: Mapping[str, str],
    more: Mapping[str, Callable[[Study], Mapping[str, Any] | Sequence[Mapping[str, Any]]]],
) -> None:
    """Do a rule's job: ``jobs`` names its function (``module:function``), ``more`` its further arguments.

    The others are what the rule names as the function does. Where ``more`` has a sequence, the function is
    called for each of its members.
    """
    with running(snakemake) as study:
        rule = SHARDS.get(snakemake.rule, snakemake.rule)
        module, _, name = jobs[rule].partition(":")
        function = getattr(import_module(module), name)
        arguments = {"study": study, "threads": snakemake.threads}
        arguments |= _part(snakemake)
        for part in (snakemake.params, snakemake.output, snakemake.input, snakemake.wildcards):
            arguments |= dict(part.items())
        further = more[rule](study) if rule in more else {}
        taken = inspect.signature(function).parameters
        for one in [further] if isinstance(further, Mapping) else further:
            function(**{key: value for key, value in {**arguments, **one}.items() if key in taken})


def _part(snakemake: Any) -> dict[str, Any]:
    """Which part of a pass a job does: as ``share``; a shard knows its manifest, too, and makes none."""
    here = snakemake.wildcards
    if snakemake.rule not in SHARDS:
        return {"share": Share(before=tuple(snakemake.input.get("shards", ())))}
    own = Marker(
        here.model, STAGES[SHARDS[snakemake.rule]].store, int(here.shard), int(here.shards)
    )
    manifest = f"results/{here.model}/.store/{own.stage}.json"
    return {"share": Share(own.number, own.of, own.path), "manifest": manifest}


@contextlib.contextmanager
def running(snakemake: Any) -> Iterator[Study]:
    """Run a script's work with stderr and logging in the rule's log file; yields the study.

    A ``UserError`` ends the job with its lines and exit code 1, without a traceback; anything else
    is a bug, whose traceback goes to the log.
    """
    terminal = sys.stderr
    path = Path(snakemake.log[0]) if snakemake.log else None
    stream = _log_file(path, terminal)
    sys.stderr = stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Libraries log every request and cache look-up at this level.
    for chatty in ("httpx", "urllib3", "filelock", "matplotlib", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        yield Study.from_dict(snakemake.config["study"])
    except UserError as error:
        _fail(error.problems, stream, terminal)
    except MemoryError:
        what = "this job does not fit into memory"
        _fail([Problem(snakemake.rule, what, "give it more")], stream, terminal)
    except Exception as error:
        if (problem := _of_the_machine(error)) is not None:
            _fail([problem], stream, terminal)
        with contextlib.suppress(OSError):
            traceback.print_exc(file=stream)
        if stream is not terminal and LOGS_ARE_SHOWN not in os.environ:
            place = f" (see {path})" if path else ""
            print(f"ERROR: {type(error).__name__}: {error}{place}", file=terminal)
        sys.exit(1)
    finally:
        sys.stderr = terminal
        logging.getLogger().handlers.clear()
        if stream is not terminal:
            with contextlib.suppress(OSError):  # what it still holds has no room on the disk
                stream.close()


def _log_file(path: Path | None, terminal: TextIO) -> TextIO:
    """The rule's log, open; without one the terminal. Where none can be written the job ends."""
    if path is None:
        return terminal
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        _fail([_of_the_machine(error) or str(error)], terminal, terminal)


def _fail(problems: Iterable[Problem | str], stream: TextIO, terminal: TextIO) -> NoReturn:
    """Print every problem in the log, and on the terminal unless the log is shown there; end the job."""
    for problem in problems:
        told = False
        for place in dict.fromkeys((stream, terminal)):
            if told and LOGS_ARE_SHOWN in os.environ:
                break
            with contextlib.suppress(OSError):  # a full disk has no room for the log either
                print(f"ERROR: {problem}", file=place)
                told = True
    sys.exit(1)


def _of_the_machine(error: Exception) -> Problem | None:
    """What a file system refused, in a line: nothing in brodmann is at fault."""
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number is not None:
        where = os.fsdecode(error.filename) if error.filename else "writing"
        advice = _ADVICE.get(number, "then run the same command again")
        return Problem(where, os.strerror(number), advice)
    # Libraries in Rust and torch say it in words.
    if os.strerror(errno.ENOSPC) in str(error):
        return Problem("writing", os.strerror(errno.ENOSPC), _ADVICE[errno.ENOSPC])
    return None
