"""Jobs that a killed run left in a SLURM queue."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Where the executor plugin has jobs write their output, in the folder that Snakemake works in. Unlike a job's
# working directory it tells apart two runs that were started in one place with --directory.
_LOGS = Path(".snakemake", "slurm_logs")


def cancel_leftovers(folder: str | Path, patience_s: float = 60.0) -> list[str]:
    """Cancel the jobs that an earlier run in ``folder`` submitted, and wait until they are gone.

    To be called when a run starts, before it submits anything. Snakemake's lock on the folder says that no
    other run is alive there, so such jobs belong to one that was killed: nobody waits for them, and they
    would write the same files as the jobs of the new run. What they have computed is in the store.
    """
    found = leftovers(folder)
    if not found:
        return []
    print(
        f"Cancelling jobs that a killed run left in the queue: {' '.join(found)}", file=sys.stderr
    )
    _run("scancel", *found)
    end = time.monotonic() + patience_s
    while leftovers(folder):
        if time.monotonic() > end:
            print("They do not end; going on without waiting for them.", file=sys.stderr)
            break
        time.sleep(1.0)
    return found


def leftovers(folder: str | Path) -> list[str]:
    """This user's jobs that the executor plugin submitted from ``folder``; none without SLURM."""
    logs = os.path.realpath(Path(folder) / _LOGS) + os.sep
    # A folder that nothing was ever submitted from has no business with the queue.
    if shutil.which("squeue") is None or not Path(logs).is_dir():
        return []
    answer = _run(
        *("squeue", "--noheader", "--user", getpass.getuser()),
        *("--Format", "JobID:32,StdOut:4096"),
    )
    found = []
    for line in answer.splitlines():
        number, _, output = line.partition(" ")
        if os.path.realpath(output.strip()).startswith(logs):
            found.append(number)
    return list(dict.fromkeys(found))


def _run(*command: str) -> str:
    """The command's answer; nothing if it has none: a queue that does not answer stops no run."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return ""
