"""Signals: what every unit does at every token, in memory or on disk, read in blocks of tokens.

A matrix [tokens, columns], float32. Its columns are the units of the chosen layers, layer by layer. A model
of 7 billion parameters has 100,000 units; a hundred texts of 512 tokens make 20 GB, never in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import mkstemp
from typing import Literal, Protocol

import numpy as np

from brodmann.models.population import Population

# Values in a block: 64 MiB as they are stored, 128 MiB in float64.
BLOCK_VALUES = 1 << 24
# Signals up to this size are kept in memory.
IN_MEMORY = 1 << 30


@dataclass(frozen=True)
class Layout:
    """Which units the columns are: ``layers`` of a model of ``n_layers``, ``width`` units each.

    ``without``: (layer, unit) of each that is left out. ``there``: the units that exist; None: all.
    """

    n_layers: int
    layers: tuple[int, ...]
    width: int
    without: tuple[tuple[int, int], ...] = ()
    there: Population | None = None

    @cached_property
    def kept(self) -> np.ndarray:
        """int64 [columns]: the columns' places among all units of the chosen layers."""
        at = {layer: place * self.width for place, layer in enumerate(self.layers)}
        left_out = [at[layer] + unit for layer, unit in self.without if layer in at]
        own = np.arange(len(self.layers) * self.width)
        if self.there is not None:
            own = own[self.there.exists.reshape(-1, self.width)[list(self.layers)].reshape(-1)]
        return np.setdiff1d(own, left_out)

    @property
    def n_columns(self) -> int:
        """How many units there are."""
        return len(self.kept)

    def place(self, values: np.ndarray, columns: slice = slice(None)) -> np.ndarray:
        """Values [..., columns] at their units [..., n_layers, width]; zero for all other units."""
        chosen = np.zeros((*values.shape[:-1], self.n_columns), dtype=values.dtype)
        chosen[..., columns] = values
        every = np.zeros((*values.shape[:-1], len(self.layers) * self.width), dtype=values.dtype)
        every[..., self.kept] = chosen
        whole = np.zeros((*values.shape[:-1], self.n_layers, self.width), dtype=values.dtype)
        split = (*values.shape[:-1], len(self.layers), self.width)
        whole[..., list(self.layers), :] = every.reshape(split)
        return whole

    def windows(self, scope: str, size: int) -> list[slice]:
        """The columns that are decomposed together: all, those of each layer, or of neighbouring layers."""
        step = {"all": len(self.layers), "layer": 1, "window": size}[scope]
        starts = np.arange(0, len(self.layers), step) * self.width
        ends = [*np.searchsorted(self.kept, starts).tolist(), self.n_columns]
        # A layer that lacks the site has no columns.
        return [slice(start, end) for start, end in pairwise(ends) if start < end]


class Signals(Protocol):
    """A matrix of signals that is read block by block, as often as needed."""

    @property
    def layout(self) -> Layout:
        """Which units the columns are."""

    @property
    def n_tokens(self) -> int:
        """The number of rows."""

    def blocks(self, columns: slice = slice(None)) -> Iterator[tuple[int, np.ndarray]]:
        """(first token, values [tokens, columns]), in order."""
        ...


@dataclass
class ArraySignals:
    """Signals in memory, of any kind of array that can be sliced: ``values`` [tokens, columns]."""

    values: np.ndarray
    layout: Layout

    @classmethod
    def of(cls, values: np.ndarray) -> ArraySignals:
        """A matrix [tokens, units] whose columns are one layer's units."""
        return cls(values, Layout(1, (0,), values.shape[1]))

    @property
    def n_tokens(self) -> int:
        """The number of rows."""
        return len(self.values)

    def blocks(self, columns: slice = slice(None)) -> Iterator[tuple[int, np.ndarray]]:
        """See ``Signals``."""
        step = block_tokens(len(range(*columns.indices(self.layout.n_columns))))
        for start in range(0, self.n_tokens, step):
            yield start, self.values[start : start + step, columns]


@dataclass
class FileSignals:
    """Signals in a file of raw float32, [tokens, columns]."""

    path: Path
    n_tokens: int
    layout: Layout

    def blocks(self, columns: slice = slice(None)) -> Iterator[tuple[int, np.ndarray]]:
        """See ``Signals``."""
        step = block_tokens(len(range(*columns.indices(self.layout.n_columns))))
        for start in range(0, self.n_tokens, step):
            # Mapped anew for each block: what has been read does not add up in the process' memory.
            yield start, np.array(self._map("r")[start : start + step, columns])

    def write(self, start: int, values: np.ndarray) -> None:
        """Put ``values`` [tokens, columns] at their place."""
        mapped = self._map("r+")
        mapped[start : start + len(values)] = values

    def _map(self, mode: Literal["r", "r+"]) -> np.memmap:
        shape = (self.n_tokens, self.layout.n_columns)
        return np.memmap(self.path, np.float32, mode, shape=shape)


@contextmanager
def scratch(
    n_tokens: int, layout: Layout, folder: str | Path
) -> Iterator[ArraySignals | FileSignals]:
    """Signals to be filled: in memory if small, else in a file of ``folder`` that is then removed."""
    n_bytes = 4 * n_tokens * layout.n_columns
    if n_bytes <= IN_MEMORY:
        yield ArraySignals(np.empty((n_tokens, layout.n_columns), np.float32), layout)
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = mkstemp(prefix="signals-", suffix=".tmp", dir=folder)
    path = Path(name)
    try:
        with open(handle, "wb") as file:
            file.truncate(n_bytes)
        yield FileSignals(path, n_tokens, layout)
    finally:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path) -> None:
    """Signals of processes that were killed: those that are alive do not share a folder."""
    for path in Path(folder).rglob("signals-*.tmp"):
        path.unlink(missing_ok=True)


def block_tokens(n_columns: int) -> int:
    """Tokens in a block of so many columns."""
    return max(1, BLOCK_VALUES // max(1, n_columns))
