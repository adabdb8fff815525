"""What goes wrong on one rank of a shared model, and what its leader makes of it.

One pair of processes goes through everything that it survives, then through what ends it.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brodmann.errors import UserError
from brodmann.runner.ranks import leader
from brodmann.runner.ranks.marked import entered, on_all_ranks
from brodmann.runner.ranks.meeting import announce

OPEN: list[str] = []


def rank() -> int:
    import torch.distributed as dist

    return int(dist.get_rank())


@on_all_ranks
def summed(model: Any, value: int) -> int:
    """The value of every rank, and its rank, summed over all ranks."""
    import torch
    import torch.distributed as dist

    total = torch.tensor([value + rank()])
    dist.all_reduce(total)
    return int(total)


@on_all_ranks
def logits_of(model: Any) -> Any:
    """The dtype of its logits."""
    import torch

    return model.hf(input_ids=torch.zeros((1, 2), dtype=torch.long)).logits.dtype


@on_all_ranks
def memory_ends(model: Any, on: tuple[int, ...]) -> None:
    import torch

    if rank() in on:
        raise torch.OutOfMemoryError("out of memory")


@on_all_ranks
def refused(model: Any, on: tuple[int, ...]) -> None:
    if rank() in on:
        raise UserError.at("here", f"refused by rank {rank()}")


@on_all_ranks
def opened(model: Any) -> int:
    """How many ranks are within ``held``."""
    import torch
    import torch.distributed as dist

    total = torch.tensor([len(OPEN)])
    dist.all_reduce(total)
    return int(total)


@contextmanager
def held(model: Any, name: str) -> Iterator[None]:
    OPEN.append(name)
    try:
        yield
    finally:
        OPEN.remove(name)


@on_all_ranks
def leaves_the_others_waiting(model: Any) -> None:
    """The leader fails where the others wait for it."""
    import torch
    import torch.distributed as dist

    if rank() == 0:
        raise torch.OutOfMemoryError("out of memory")
    dist.all_reduce(torch.zeros(1))


@on_all_ranks
def leaves_the_leader_waiting(model: Any) -> None:
    """The other rank fails where the leader waits for it."""
    import torch
    import torch.distributed as dist

    if rank() == 1:
        raise torch.OutOfMemoryError("out of memory")
    dist.all_reduce(torch.zeros(1))


@on_all_ranks
def killed(model: Any) -> None:
    """The other rank is killed where the leader waits for it."""
    import torch
    import torch.distributed as dist

    if rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.all_reduce(torch.zeros(1))


def raised(kind: type[Exception], function: Any, *arguments: Any) -> str:
    """What an error says."""
    try:
        function(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"{function.__name__} raised no {kind.__name__}")


def main(end: str) -> None:
    """Everything that is survived, then the end that is asked for."""
    announce(0, 2)
    import torch
    from tiny_models import save_tiny

    leader.GRACE = 3.0
    with tempfile.TemporaryDirectory() as folder:
        options = {"directory": save_tiny(Path(folder), "llama"), "name": "m", "wanted": ()}
        model = leader.shared("cpu", 2, 2, {**options, "dtype": "bfloat16"})
    assert summed(model, 10) == 21
    # The head of a narrow model is wide here, too.
    assert logits_of(model) == torch.float32
    for on in ((0,), (1,), (0, 1)):
        assert raised(torch.OutOfMemoryError, memory_ends, model, on) == "out of memory" or on == (
            1,
        )
        assert summed(model, 1) == 3
    assert raised(UserError, refused, model, (0, 1)) == "here: refused by rank 0"
    assert "here: refused by rank 1" in raised(RuntimeError, refused, model, (1,))
    assert opened(model) == 0
    with entered(held, model, "a"), entered(held, model, "b"):
        assert opened(model) == 4
    assert opened(model) == 0
    [follower] = model.ranks._followers
    if end == "waiting":
        says = raised(UserError, leaves_the_others_waiting, model)
        assert "execution.batch_tokens" in says, says
        assert raised(UserError, summed, model, 1) == says
    elif end == "alone":
        leaves_the_leader_waiting(model)
    elif end == "killed":
        says = raised(UserError, killed, model)
        assert says.startswith("models.m: rank 1 was killed (SIGKILL)"), says
    elif end == "idle":  # killed while the leader does something else
        os.kill(follower._process.pid, signal.SIGKILL)
        signal.pause()
    elif end == "leader":  # the leader is: the follower's number is told, and the test looks for it
        print(follower._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    print("as expected", flush=True)
