"""The leader's side: starts the other ranks of a model, tells them what to run, and ends them."""

from __future__ import annotations

import atexit
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, TypeVar

from brodmann.errors import UserError
from brodmann.runner.ranks.marked import leave
from brodmann.runner.ranks.meeting import Meeting
from brodmann.runner.ranks.sent import DONE, ENDED, MEMORY, Call, Packer, Reply, left_by

R = TypeVar("R")

# Seconds that ranks are waited for after one of them has failed: the others then wait for it within a layer.
GRACE = 20.0
_AGAIN = "the log says more; run the same command again: what is finished is kept"
_LESS = "set a smaller execution.batch_tokens, or more gpus"


def shared(device: str, shares: int, threads: int, options: Mapping[str, Any]) -> Any:
    """A model (``LoadedModel``) of which as many processes hold a share each, this one the first.

    ``options``: as for ``load_model``. All processes run on this machine, on the GPUs that this one sees.
    """
    from dataclasses import replace

    from brodmann.models.load import load_model

    name = options["name"]
    kind = _kind(device, shares, name)
    load = {**options, "shares": shares, "device": kind}
    ranks = Ranks(name, shares, kind, max(1, threads // shares), load)
    with ranks.loading():
        model = replace(load_model(**load), ranks=ranks)
    ranks.model = model
    return model


def _kind(device: str, shares: int, name: str) -> str:
    """cpu or cuda; an error if there are not as many devices."""
    import torch

    from brodmann.models.placement import find_device

    found = find_device(device)
    if found.type == "cpu":
        # Else transformers would take a GPU that there is.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return "cpu"
    if found.type != "cuda" or found.index is not None:
        what = f"parallel: tensor of models.{name} cannot run on '{device}'"
        raise UserError.at("execution.device", what, "use auto, cuda or cpu")
    if (there := torch.cuda.device_count()) < shares:
        what = f"{shares} GPUs, and this job sees {there}"
        raise UserError.at(f"models.{name}.gpus", what, "give the job as many, or set fewer")
    return "cuda"


class Ranks:
    """The leader's view of the followers: starts them, tells them what to run, and ends them."""

    def __init__(self, name: str, count: int, device: str, threads: int, load: Mapping[str, Any]):
        """``load``: how a follower loads its share, the arguments of ``load_model``."""
        self.where = f"models.{name}"
        self.count = count
        self.inside = False  # a call that all ranks run is on its way
        self.model: Any = None
        self._calls = 0
        self._broken: UserError | None = None
        self._known: dict[int, tuple[int, weakref.ref[Any], int]] = {}  # id -> number, it, its size
        self._numbers = 0
        self._dropped: list[int] = []
        folder = tempfile.mkdtemp(prefix="brodmann-ranks-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        meetings = [
            Meeting(rank, count, str(Path(folder) / "meeting"), device, threads)
            for rank in range(count)
        ]
        self._followers = [Follower(self.where, meeting, load) for meeting in meetings[1:]]
        atexit.register(self.close)
        meetings[0].join()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Within it the leader loads its share, and at its end the others have loaded theirs."""
        try:
            yield
        except Exception:
            self._heed(0, patience=GRACE, expect_failure=True)
            raise
        self._heed(0, patience=None)

    def close(self) -> None:
        """End the followers."""
        for follower in self._followers:
            follower.close()

    def run(self, function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
        """What a function that is marked ``on_all_ranks`` gives here, while the others run it, too."""
        if self._broken is not None:
            if function.__name__ == leave.__name__:
                return function(*arguments)
            raise self._broken
        self._calls += 1
        call = self._calls
        packed = Packer(self)
        name = f"{function.__module__}:{function.__qualname__}"
        given = packed.packed(arguments)
        dropped = tuple(self._dropped.pop() for _ in range(len(self._dropped)))
        message = Call(call, name, given, dropped, self._numbers)
        for follower in self._followers:
            follower.tell(message)
        self.inside = True
        try:
            packed.hand_over()
            found = function(*arguments)
        except Exception:
            # Either all ranks fail alike and can go on, or the others wait for this one within a layer.
            self._heed(call, patience=GRACE, expect_failure=True)
            raise
        finally:
            self.inside = False
        self._heed(call, patience=None)
        for left in left_by(found):
            self.know(left)
        return found

    def _heed(self, call: int, *, patience: float | None, expect_failure: bool = False) -> None:
        """Wait until every follower has done a call; an error if one could not."""
        replies = [follower.reply(call, patience) for follower in self._followers]
        ends = [reply for reply in replies if reply is not None and reply.kind == ENDED]
        if ends:
            self._broken = UserError.at(self.where, ends[0].text, _AGAIN)
        elif None in replies:
            what = "one of its ranks failed (out of memory?) while the others went on"
            self._broken = UserError.at(self.where, what, _LESS)
        if self._broken is not None:
            raise self._broken
        failed = [reply for reply in replies if reply is not None and reply.kind != DONE]
        if expect_failure or not failed:
            return
        if failed[0].kind == MEMORY:
            import torch

            raise torch.OutOfMemoryError(failed[0].text)
        raise RuntimeError(f"another rank: {failed[0].text}")

    def known(self, thing: Any) -> int | None:
        """The number by which the followers know it, as it is now; None if they do not."""
        number, there, size = self._known.get(id(thing), (0, None, 0))
        return number if there is not None and there() is thing and size == size_of(thing) else None

    def know(self, thing: Any) -> int:
        """From now on they do; it gets the next number."""
        number = self._numbers
        self._numbers += 1
        self._known[id(thing)] = number, weakref.ref(thing), size_of(thing)
        weakref.finalize(thing, self._forget, id(thing), number).atexit = False
        return number

    def _forget(self, place: int, number: int) -> None:
        if place in self._known and self._known[place][0] == number:
            del self._known[place]
        self._dropped.append(number)


class Follower:
    """One of the other processes, as the leader sees it."""

    def __init__(self, where: str, meeting: Meeting, load: Mapping[str, Any]) -> None:
        self.rank, self.where = meeting.rank, where
        self._closing = False
        self._pipe, theirs = Pipe()
        log = _log_of(sys.stderr)
        # brodmann runs from a clone, too; libraries' warnings are the leader's to give.
        path = os.pathsep.join(place for place in sys.path if place)
        quiet = {"PYTHONPATH": path, "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "brodmann.runner.ranks.follow", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,  # its end tells the follower that the leader is gone
            stdout=log,
            stderr=log,
        )
        theirs.close()
        self._pipe.send((meeting, dict(load)))
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._alarm: threading.Timer | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, call: Call) -> None:
        """Have it run something."""
        try:
            self._pipe.send(call)
        except OSError:  # it has ended, which ``reply`` says
            pass

    def reply(self, call: int, patience: float | None) -> Reply | None:
        """What it says of a call; None if it says nothing for so many seconds."""
        while True:
            try:
                reply = self._replies.get(timeout=patience)
            except queue.Empty:
                return None
            if self._alarm is not None:
                self._alarm.cancel()
            if reply.kind == ENDED or reply.call == call:
                return reply

    def close(self) -> None:
        """End it."""
        self._closing = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe.close()

    def _listen(self) -> None:
        while True:
            try:
                reply = self._pipe.recv()
            except (EOFError, OSError):
                reply = Reply(-1, ENDED, self._how_it_ended())
            if self._closing:
                return
            self._replies.put(reply)
            if reply.kind != DONE:
                # The leader may wait for this rank within a layer, where no exception reaches it.
                self._alarm = threading.Timer(2 * GRACE, self._end_the_job, [reply])
                self._alarm.daemon = True
                self._alarm.start()
            if reply.kind == ENDED:
                return

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            return f"rank {self.rank} answers no more"
        if code >= 0:
            return f"rank {self.rank} ended with exit code {code}"
        return f"rank {self.rank} was killed ({signal.Signals(-code).name})"

    def _end_the_job(self, reply: Reply) -> None:
        if self._closing:
            return
        what, fix = reply.text, _AGAIN
        if reply.kind == MEMORY:
            what, fix = f"rank {self.rank} ran out of memory", _LESS
        error = UserError.at(self.where, what, fix)
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def _log_of(stream: Any) -> Any:
    """Where a follower's own words go: the job's log, if it is a file."""
    try:
        stream.fileno()
    except (OSError, AttributeError, ValueError):
        return subprocess.DEVNULL
    return stream


def size_of(thing: Any) -> int:
    """A tree may grow after it was sent: then it is another."""
    return len(thing) if hasattr(thing, "__len__") else 0
