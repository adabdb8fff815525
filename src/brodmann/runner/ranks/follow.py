"""A process that holds a share of a model and runs what the leader says: see ``brodmann.runner.ranks``.

``python -m brodmann.runner.ranks.follow NUMBER`` (of the pipe to the leader). It writes nothing but
errors, and ends with the leader.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from brodmann.runner.ranks.marked import find
from brodmann.runner.ranks.sent import DONE, ERROR, MEMORY, Reply, Unpacker, left_by


def main() -> None:
    """Load the share, then run call after call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader says when to end
    threading.Thread(target=_end_with_the_leader, daemon=True).start()
    leader = Connection(int(sys.argv[1]))
    meeting, options = leader.recv()
    meeting.join()
    from brodmann.models.load import load_model

    unpacker: Any = None

    def load(_: Any) -> None:
        nonlocal unpacker
        unpacker = Unpacker(load_model(**options))

    leader.send(_attempt(0, load, None))
    while True:
        call = leader.recv()

        def run(call: Any) -> None:
            function = find(call.function)
            found = function(*unpacker.arguments(call))
            unpacker.keep(call.first, left_by(found))

        leader.send(_attempt(call.number, run, call))


def _attempt(number: int, run: Any, call: Any) -> Reply:
    """Run a call, and say how it went."""
    import torch

    from brodmann.errors import UserError, one_line
    from brodmann.runner.memory import out_of_memory

    try:
        run(call)
        return Reply(number, DONE)
    except UserError as error:
        return Reply(number, ERROR, one_line(str(error)))
    except Exception as error:
        memory = out_of_memory(error)
        text = one_line(f"{type(error).__name__}: {error}")
        if not memory:
            traceback.print_exc()
    # Outside the handler, whose traceback holds the failed call's tensors.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return Reply(number, MEMORY if memory else ERROR, text)


def _end_with_the_leader() -> None:
    """The standard input ends when the leader's process does."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except (EOFError, OSError):
        os._exit(0)
