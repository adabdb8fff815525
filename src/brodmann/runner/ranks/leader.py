"""One model on several processes, each of which holds a share of every layer: tensor parallelism.

The job's own process is rank 0 and *leads*: it alone decides what is run, draws, reads and writes. The other
ranks *follow*: they hold their shares, and run what they are told (``runner.follow``). A function that runs
the model is marked ``on_all_ranks``; where the model is shared, the leader sends its name and arguments to
the others, and all run it at the same time. What it gives is the leader's. So no decision can differ between
ranks, and no code above knows of them. Within such a function everything is done by every rank, and what
communicates (transformers' layers, nnsight's gathering) finds its counterpart.

What a function leaves on a rank for later calls (a cache of keys and values) is known by number: the leader
has its own part of it, each follower another, and followers drop theirs when the leader's is gone.
"""

from __future__ import annotations

import atexit
import functools
import io
import os
import pickle
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from brodmann.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")

# Seconds that ranks are waited for after one of them has failed: the others then wait for it within a layer.
GRACE = 20.0
# Seconds that a layer's sum may be waited for: files are read at different speeds.
_TIMEOUT = 1800.0
_AGAIN = "the log says more; run the same command again: what is finished is kept"
_LESS = "set a smaller execution.batch_tokens, or more gpus"
# What a pickle holds most of.
_PLAIN = frozenset({int, float, str, bool, type(None), tuple, list, dict, bytes})
DONE, MEMORY, ERROR, ENDED = "done", "out of memory", "error", "ended"


@dataclass(frozen=True)
class Reply:
    """What a follower says of a call: which one, how it went, and in what words."""

    call: int
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Call:
    """What followers are told. ``dropped``: numbers of objects that are no longer needed; ``first``: the
    number of the first object that the call leaves."""

    number: int
    function: str
    arguments: bytes
    dropped: tuple[int, ...]
    first: int


@dataclass(frozen=True)
class Meeting:
    """What a rank needs to find the others. ``file``: where they meet, on this machine's disk."""

    rank: int
    count: int
    file: str
    device: str  # cpu | cuda
    threads: int

    def join(self) -> None:
        """Meet the other ranks; to be called before transformers' model code is imported."""
        announce(self.rank, self.count)
        import torch
        import torch.distributed as dist

        torch.set_num_threads(self.threads)
        own: dict[str, Any] = {}
        if self.device == "cuda":
            torch.cuda.set_device(self.rank)
            own["device_id"] = torch.device("cuda", self.rank)
        from datetime import timedelta

        dist.init_process_group(
            "nccl" if self.device == "cuda" else "gloo",
            init_method=f"file://{self.file}",
            rank=self.rank,
            world_size=self.count,
            timeout=timedelta(seconds=_TIMEOUT),
            **own,
        )


def announce(rank: int, count: int) -> None:
    """Say in the environment, as torchrun does, which rank this process is: libraries ask there."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    # All ranks are on this machine, whose name need not lead to an address.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")


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
            if function.__name__ == _leave.__name__:
                return function(*arguments)
            raise self._broken
        self._calls += 1
        call = self._calls
        packed = _Packer(self)
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
        return number if there is not None and there() is thing and size == _size(thing) else None

    def know(self, thing: Any) -> int:
        """From now on they do; it gets the next number."""
        number = self._numbers
        self._numbers += 1
        self._known[id(thing)] = number, weakref.ref(thing), _size(thing)
        weakref.finalize(thing, self._forget, id(thing), number).atexit = False
        return number

    def _forget(self, place: int, number: int) -> None:
        if place in self._known and self._known[place][0] == number:
            del self._known[place]
        self._dropped.append(number)


def _size(thing: Any) -> int:
    """A tree may grow after it was sent: then it is another."""
    return len(thing) if hasattr(thing, "__len__") else 0


def left_by(found: Any) -> Iterator[Any]:
    """What a call's result holds that stays with the ranks: its own members marked ``stays``."""
    members = (
        found if isinstance(found, tuple) else (found, *getattr(found, "__dict__", {}).values())
    )
    yield from (member for member in members if getattr(member, "stays", False))


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


@dataclass(frozen=True)
class Share:
    """Which dimensions of a site of ``width`` this rank has: ``here`` of them, from ``first`` on."""

    width: int
    first: int
    here: int

    @classmethod
    def of(cls, width: int, value: Any) -> Share:
        """By a value [..., dimensions that are here]."""
        here = value.shape[-1]
        if here == width:
            return cls(width, 0, width)
        import torch.distributed as dist

        return cls(width, here * dist.get_rank(), here)

    @property
    def all(self) -> bool:
        """Whether it is all of them."""
        return self.here == self.width

    def own(self, dimensions: Any) -> tuple[Any, Any]:
        """Which of some dimensions (a tensor) it has, and where they are within it."""
        which = (dimensions >= self.first) & (dimensions < self.first + self.here)
        return which, dimensions[which] - self.first

    def whole(self, value: Any) -> Any:
        """A value [..., here] put together from all ranks': [..., width]."""
        if self.all:
            return value
        import torch
        import torch.distributed as dist

        value = value.contiguous()
        parts = [torch.empty_like(value) for _ in range(self.width // self.here)]
        dist.all_gather(parts, value)
        return torch.cat(parts, dim=-1)


# What is sent


class _Packer(pickle.Pickler):
    """Packs the arguments of a call: what followers have is named, what lies on a device is broadcast."""

    def __init__(self, ranks: Ranks, root: Any = None) -> None:
        self._buffer = io.BytesIO()
        super().__init__(self._buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self._ranks, self._root = ranks, root
        self._tensors: list[Any] = []

    def packed(self, what: Any) -> bytes:
        """The bytes of it."""
        self.dump(what)
        return self._buffer.getvalue()

    def hand_over(self) -> None:
        """Give the others what lies on this rank's device."""
        import torch.distributed as dist

        for tensor in self._tensors:
            dist.broadcast(tensor.contiguous(), 0)

    def persistent_id(self, thing: Any) -> Any:
        """What stands for a thing; None if it is packed as it is."""
        import torch

        if type(thing) in _PLAIN or isinstance(thing, type) or thing is self._root:
            return None
        if thing is self._ranks.model:
            return ("model",)
        if isinstance(thing, torch.Tensor) and thing.device.type != "cpu":
            self._tensors.append(thing)
            return ("tensor", tuple(thing.shape), thing.dtype)
        if not getattr(thing, "stays", False):
            return None
        if (number := self._ranks.known(thing)) is not None:
            return ("known", number)
        if getattr(thing, "model", None) is self._ranks.model:
            return ("made", self._ranks.know(thing), type(thing))
        inner = _Packer(self._ranks, thing)
        inner._tensors = self._tensors
        whole = inner.packed(thing)
        return ("new", self._ranks.know(thing), whole)


class _Reader(pickle.Unpickler):
    """``named``: gives what a name stands for."""

    def __init__(self, packed: bytes, named: Callable[[tuple[Any, ...]], Any]) -> None:
        super().__init__(io.BytesIO(packed))
        self._named = named

    def persistent_load(self, told: Any) -> Any:
        """See ``_Packer.persistent_id``."""
        return self._named(told)


class Unpacker:
    """A follower's counterpart: unpacks calls, and keeps what stays."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._kept: dict[int, Any] = {}

    def arguments(self, call: Call) -> tuple[Any, ...]:
        """Those of a call; what is no longer needed is dropped."""
        for number in call.dropped:
            self._kept.pop(number, None)
        given: tuple[Any, ...] = self._unpacked(call.arguments)
        return given

    def keep(self, first: int, things: Iterable[Any]) -> None:
        """What a call has left."""
        for number, thing in enumerate(things, first):
            self._kept[number] = thing

    def _unpacked(self, packed: bytes) -> Any:
        return _Reader(packed, self.named).load()

    def named(self, told: tuple[Any, ...]) -> Any:
        """What stands behind a name of ``_Packer``."""
        kind, *rest = told
        if kind == "model":
            return self.model
        if kind == "known":
            return self._kept[rest[0]]
        if kind == "tensor":
            import torch
            import torch.distributed as dist

            tensor = torch.empty(rest[0], dtype=rest[1], device=self.model.device)
            dist.broadcast(tensor, 0)
            return tensor
        number, what = rest
        thing = what(self.model) if kind == "made" else self._unpacked(what)
        self._kept[number] = thing
        return thing


# What is marked


def on_all_ranks(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of a model, or a method of what has one, which runs the model. Arguments by place.

    Where the model is shared by several processes, all of them run it; else nothing changes.
    """

    @functools.wraps(function)
    def run(*args: P.args, **named: P.kwargs) -> R:
        model: Any = getattr(args[0], "model", args[0])
        ranks: Ranks | None = getattr(model, "ranks", None)
        if ranks is None or ranks.inside:
            return function(*args, **named)
        assert not named
        return ranks.run(function, args)

    return run


@contextmanager
def entered(
    function: Callable[..., AbstractContextManager[Any]], model: Any, *arguments: Any
) -> Iterator[None]:
    """The context ``function(model, *arguments)``, a function of a module, entered by all ranks."""
    ranks: Ranks | None = getattr(model, "ranks", None)
    if ranks is None or ranks.inside:
        with function(model, *arguments):
            yield
        return
    _enter(model, f"{function.__module__}:{function.__qualname__}", *arguments)
    try:
        yield
    finally:
        _leave(model)


_open: list[AbstractContextManager[Any]] = []  # that this rank is in


@on_all_ranks
def _enter(model: Any, name: str, *arguments: Any) -> None:
    context = find(name)(model, *arguments)
    context.__enter__()
    _open.append(context)


@on_all_ranks
def _leave(model: Any) -> None:
    _open.pop().__exit__(None, None, None)


def find(name: str) -> Any:
    """A function by ``module:qualified name``."""
    module, _, path = name.partition(":")
    return functools.reduce(getattr, path.split("."), import_module(module))
