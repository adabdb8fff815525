"""What the leader tells the followers, packed and unpacked, and what they answer.

The pickles go from one process to those that it started, through pipes that nobody else has: no file is ever
unpickled.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

DONE, MEMORY, ERROR, ENDED = "done", "out of memory", "error", "ended"
# What a pickle holds most of.
_PLAIN = frozenset({int, float, str, bool, type(None), tuple, list, dict, bytes})


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


class Knows(Protocol):
    """Who knows what the followers have: the leader (``leader.Ranks``)."""

    model: Any

    def known(self, thing: Any) -> int | None:
        """The number by which followers know a thing; None if they do not."""

    def know(self, thing: Any) -> int:
        """From now on they do; it gets this number."""


def left_by(found: Any) -> Iterator[Any]:
    """What a call's result holds that stays with the ranks: its own members marked ``stays``."""
    members = (
        found if isinstance(found, tuple) else (found, *getattr(found, "__dict__", {}).values())
    )
    yield from (member for member in members if getattr(member, "stays", False))


class Packer(pickle.Pickler):
    """Packs the arguments of a call: what followers have is named, what lies on a device is broadcast."""

    def __init__(self, ranks: Knows, root: Any = None) -> None:
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
        inner = Packer(self._ranks, thing)
        inner._tensors = self._tensors
        whole = inner.packed(thing)
        return ("new", self._ranks.know(thing), whole)


class _Reader(pickle.Unpickler):
    """``named``: gives what a name stands for."""

    def __init__(self, packed: bytes, named: Callable[[tuple[Any, ...]], Any]) -> None:
        super().__init__(io.BytesIO(packed))
        self._named = named

    def persistent_load(self, told: Any) -> Any:
        """See ``Packer.persistent_id``."""
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
        """What stands behind a name of ``Packer``."""
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
