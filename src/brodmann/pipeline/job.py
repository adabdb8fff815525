"""What every job's script needs: a log, errors in one line, progress, and the study."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from brodmann.config.study import Study
from brodmann.errors import UserError

log = logging.getLogger("brodmann")


@contextlib.contextmanager
def running(snakemake: Any) -> Iterator[Study]:
    """Run a script's work with stderr and logging in the rule's log file; yields the study.

    A ``UserError`` ends the job with its lines and exit code 1, without a traceback; anything else
    is a bug, whose traceback goes to the log.
    """
    terminal = sys.stderr
    path = Path(snakemake.log[0]) if snakemake.log else None
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", buffering=1) if path else terminal as stream:
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
            for problem in error.problems:
                print(f"ERROR: {problem}", file=stream)
                if stream is not terminal:
                    print(f"ERROR: {problem}", file=terminal)
            sys.exit(1)
        except Exception as error:
            traceback.print_exc(file=stream)
            if stream is not terminal:
                place = f" (see {path})" if path else ""
                print(f"ERROR: {type(error).__name__}: {error}{place}", file=terminal)
            sys.exit(1)
        finally:
            sys.stderr = terminal
            logging.getLogger().handlers.clear()


def progress(total: int, what: str, unit: str = "item") -> tqdm:
    """A progress bar (done/total, time left) in the log; and on the terminal, where there is one."""
    shown = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.stderr
    # A log file gets a line's worth of text now and then, not ten a second.
    interval = 0.5 if shown.isatty() else 5.0
    return tqdm(total=total, desc=what, unit=unit, file=shown, mininterval=interval, ascii=True)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return round(time.perf_counter() - self._start, 3)
