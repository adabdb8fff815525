"""Jobs as forks of one process, which imports what they need once for all of them.

As a process of its own, a light job spends more time on starting Python and importing libraries than on its
work, and a pass over a small model several seconds, in which all but one core wait.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, NoReturn

# Of light jobs: their libraries take as many threads as their rules ask for.
ONE_THREAD = {
    f"{name}_NUM_THREADS": "1"
    for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
}
# Of passes: they never wait for a network (a library reads it when it is imported).
OFFLINE = {"HF_HUB_OFFLINE": "1"}
_START = "from brodmann.pipeline.forks import serve; serve({})"
_LARGEST = 1 << 16
# Bytes of a process' number.
_NUMBER = 4


class Forks:
    """The driver's side: starts the process when the first job comes, and asks it for forks.

    ``environment``: what its environment has beside the driver's.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment or {}
        self._control: socket.socket | None = None
        self._turn = threading.Lock()

    def run(
        self,
        script: str,
        modules: Sequence[str],
        folders: str | None = None,
        watching: Callable[[int], AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> int:
        """Run a Python script in a fork that has imported ``modules``; its exit code, 1 if it was killed.

        ``folders``: for temporary files. ``watching``: what is entered with the fork's number while it runs.
        """
        asked = json.dumps({"script": script, "modules": list(modules), "temporary": folders})
        answer, fork_end = os.pipe()
        try:
            with self._turn:
                # Again, should the process have been killed.
                _ = self._ask(asked.encode(), fork_end) or self._ask(asked.encode(), fork_end)
        finally:
            os.close(fork_end)
        # The fork alone holds the other end: where it was killed, nothing comes.
        with os.fdopen(answer, "rb") as stream:
            number = int.from_bytes(stream.read(_NUMBER))
            with watching(number) if number else contextlib.nullcontext():
                code = stream.read(1)
        return code[0] if code else 1

    def _ask(self, asked: bytes, fork_end: int) -> bool:
        """Whether the process has read it, so that the next may ask."""
        self._control = self._control or _started(self._environment)
        try:
            socket.send_fds(self._control, [asked], [fork_end])
            if self._control.recv(1):
                return True
        except OSError:
            pass
        self._control.close()
        self._control = None
        return False


def _started(environment: Mapping[str, str]) -> socket.socket:
    """A process that serves forks, until this one ends; it inherits what this one has of an environment."""
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    command = [sys.executable, "-c", _START.format(number)]
    subprocess.Popen(command, pass_fds=[number], env={**os.environ, **environment})
    theirs.close()
    return ours


def serve(number: int) -> None:
    """In the process that forks: until the driver's end of the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver is told, too, and closes its end
    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # forks answer by themselves, nobody waits for them
    control = socket.socket(fileno=number)
    while True:
        asked, answers, *_ = socket.recv_fds(control, _LARGEST, 1)
        if not asked:
            return
        control.send(b".")
        job = json.loads(asked)
        for module in job["modules"]:
            with contextlib.suppress(Exception):  # the job will say what is wrong
                import_module(module)
        gc.freeze()  # so that forks share its memory
        if os.fork() == 0:
            control.close()
            _become(job, answers[0])
        os.close(answers[0])


def _become(job: dict[str, Any], answer: int) -> NoReturn:
    """In the fork: the job, as if it were a process of its own."""
    code = 1
    os.write(answer, os.getpid().to_bytes(_NUMBER))
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if job["temporary"]:
            os.environ |= dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), job["temporary"])
            tempfile.tempdir = None
        sys.argv = [job["script"]]
        runpy.run_path(job["script"], run_name="__main__")
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:  # whoever has pressed Ctrl-C knows
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        with contextlib.suppress(Exception):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(answer, bytes([code & 255]))
        # Not what the forking process has registered for its own end.
        os._exit(code)
