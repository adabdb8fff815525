"""Seconds: of a piece of work on the device, and those that are left to a section."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

import torch

T = TypeVar("T")


def synchronize() -> None:
    """Wait for all that the device was asked to do: it works behind the host's back."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """(what it gives, seconds that it took until the device had done it)."""
    synchronize()
    start = time.perf_counter()
    found = run()
    synchronize()
    return found, time.perf_counter() - start


def median_seconds(run: Callable[[], object], rounds: int = 5, warm: int = 2) -> float:
    """The median of some rounds, after some that are not counted."""
    for _ in range(warm):
        run()
    return median(timed(run)[1] for _ in range(rounds))


@dataclass
class Budget:
    """Seconds from now on."""

    seconds: float
    started: float = field(default_factory=time.perf_counter)

    @property
    def used(self) -> float:
        """So far."""
        return time.perf_counter() - self.started

    @property
    def left(self) -> float:
        """Negative once it is overdrawn."""
        return self.seconds - self.used

    def part(self, seconds: float) -> Budget:
        """A budget within this one."""
        return Budget(max(0.0, min(seconds, self.left)))


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Says when a step begins: the log of a run that was cut shows where."""
    print(f"  ... {name}", flush=True)
    start = time.perf_counter()
    yield
    print(f"  ... {name}: {time.perf_counter() - start:.1f} s", flush=True)
