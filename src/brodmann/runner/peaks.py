"""Where units are strongest over texts: read beside whatever else reads these texts.

Of every unit the highest and the lowest values are kept with their places, tree by tree, so that no more is
held than these. A head's value is the length of what it writes.

The first token of a text does not count: what attention needs nowhere else it puts there, and many units have
massive values on it that say nothing of the text. Its value of largest magnitude is kept by itself. Special
tokens, and tokens that end within a character, do not count either: they are no stretch of the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brodmann.models.load import LoadedModel
from brodmann.runner.encode import Ids
from brodmann.runner.lens import head_grams
from brodmann.runner.queries import Read
from brodmann.sites import HEADS, SITES

Units = Sequence[tuple[int, int]]  # (layer, unit)


class Highest:
    """The k highest values of each column over rows that come block by block; the first of equal ones."""

    def __init__(self, columns: int, k: int) -> None:
        self.k = k
        self.values = np.zeros((0, columns), np.float32)
        self.places = np.zeros((0, columns), np.int64)

    def add(self, values: np.ndarray, places: np.ndarray) -> None:
        """Values [rows, columns] at ``places`` [rows]."""
        if len(self.values) == self.k:
            if not len(values):
                return
            # Most columns have no new peak in a block: only the others are sorted.
            some = np.flatnonzero(values.max(0) > self.values[-1])
        else:
            some = np.arange(values.shape[1])
        every = np.concatenate([self.values[:, some], values[:, some]])
        where = np.concatenate(
            [self.places[:, some], np.broadcast_to(places[:, None], (len(places), len(some)))]
        )
        order = np.argsort(-every, axis=0, kind="stable")[: self.k]
        best, at = (np.take_along_axis(own, order, 0) for own in (every, where))
        if len(best) > len(self.values):  # then of all columns
            self.values, self.places = best, at
        else:
            self.values[:, some], self.places[:, some] = best, at


@dataclass(frozen=True)
class Peaks:
    """Of n units over texts: the k highest and lowest values [n, k], strongest first, and their places.

    Places are numbers of tokens, all texts one after another. k is smaller where fewer tokens count; 0 for
    the lowest lengths of heads. Mean and SD over the tokens that count; ``first``: the value of largest
    magnitude at a first token, NaN without one.
    """

    units: np.ndarray  # int32 [n, 2]
    high: np.ndarray
    high_at: np.ndarray
    low: np.ndarray
    low_at: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    first: np.ndarray

    def tensors(self, site: str) -> dict[str, np.ndarray]:
        """For a record."""
        return {f"{site}.{name}": np.ascontiguousarray(own) for name, own in vars(self).items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Any], site: str) -> Peaks:
        """The inverse."""
        return cls(**{name: tensors[f"{site}.{name}"] for name in cls.__dataclass_fields__})


class _Site:
    """What is kept of the units of one site."""

    def __init__(self, model: LoadedModel, site: str, units: Units, k: int) -> None:
        self.site, self.heads = site, SITES[site].width == HEADS
        # By layer, as they are read.
        self.order = sorted(range(len(units)), key=lambda number: units[number][0])
        self.units = [units[number] for number in self.order]
        self.grams = head_grams(model, self.units) if self.heads else None
        self.dimensions: dict[int, list[int]] = {}
        size = model.unit_size(site)
        for layer, unit in self.units:
            own = range(unit * size, (unit + 1) * size)
            self.dimensions.setdefault(layer, []).extend(own)
        self.high, self.low = Highest(len(units), k), Highest(len(units), k)
        self.sums, self.squares, self.count = np.zeros(len(units)), np.zeros(len(units)), 0
        self.first = np.full(len(units), np.nan, np.float32)

    @property
    def columns(self) -> int:
        """Dimensions that are read."""
        return sum(map(len, self.dimensions.values()))

    def read(self, nodes: int) -> Read:
        """Of a tree of so many nodes."""
        return Read(self.site, tuple(self.dimensions), range(nodes), units=self.dimensions)

    def values(self, found: Mapping[int, torch.Tensor]) -> np.ndarray:
        """float32 [nodes, units] of what was read."""
        flat = torch.cat([found[layer].float().cpu() for layer in self.dimensions], dim=1)
        if self.grams is not None:
            own = flat.reshape(len(flat), len(self.units), -1)
            squares = torch.einsum("tnd,nde,tne->tn", own, self.grams, own)
            flat = squares.clamp(min=0).sqrt()
        values: np.ndarray = flat.numpy()
        return values

    def add(self, values: np.ndarray, places: np.ndarray, first: np.ndarray) -> None:
        """``values`` [rows, units] at numbered ``places``; ``first`` [texts, units]: at first tokens."""
        self.high.add(values, places)
        if not self.heads:
            self.low.add(-values, places)
        wide = values.astype(np.float64)
        self.sums += wide.sum(0)
        self.squares += np.square(wide).sum(0)
        self.count += len(values)
        for row in first:
            larger = ~(np.abs(row) <= np.abs(self.first))
            self.first = np.where(larger, row, self.first)

    def peaks(self) -> Peaks:
        """In the order in which units were given."""
        mean = self.sums / self.count if self.count else np.full(len(self.units), np.nan)
        spread = self.squares / max(1, self.count) - mean**2
        back = np.argsort(np.array(self.order, dtype=np.int64), kind="stable")
        high, low = ((own.values.T[back], own.places.T[back]) for own in (self.high, self.low))
        return Peaks(
            units=np.array(self.units, np.int32).reshape(-1, 2)[back],
            high=high[0],
            high_at=high[1].astype(np.int32),
            low=-low[0],
            low_at=low[1].astype(np.int32),
            mean=mean[back],
            sd=np.sqrt(np.maximum(spread, 0))[back],
            first=self.first[back],
        )


class Watch:
    """Keeps the peaks of units over texts that something else runs (``Extractor.runs``).

    ``units``: site -> units. ``counts``: of each text, which of its tokens count. The tokens of all texts are
    numbered one after another: those are the places.
    """

    def __init__(
        self,
        model: LoadedModel,
        units: Mapping[str, Units],
        counts: Sequence[np.ndarray],
        k: int,
    ) -> None:
        here = {site: own for site, own in units.items() if site not in model.missing}
        sites = (_Site(model, site, own, k) for site, own in here.items() if own)
        # What a head writes is known from weights that are plain matrices alone.
        self.sites = [own for own in sites if own.grams is not None or not own.heads]
        self.counts = counts
        self._starts = np.cumsum([0, *map(len, counts)])

    @property
    def columns(self) -> int:
        """Values that are read of a node."""
        return sum(own.columns for own in self.sites)

    def reads(self, nodes: int) -> list[Read]:
        """What is asked of a tree of so many nodes."""
        return [own.read(nodes) for own in self.sites]

    def take(
        self,
        texts: Sequence[tuple[int, Sequence[int]]],
        found: Sequence[Mapping[int, torch.Tensor]],
    ) -> None:
        """What was read of a tree that holds texts: (number, node of each of its tokens)."""
        nodes, places = [], []
        first: list[int] = []
        for number, own in texts:
            counted = np.flatnonzero(self.counts[number])
            nodes.append(np.asarray(own, np.int64)[counted])
            places.append(self._starts[number] + counted)
            first += own[:1]
        chosen, where = np.concatenate(nodes), np.concatenate(places)
        for site, read in zip(self.sites, found, strict=True):
            values = site.values(read)
            site.add(values[chosen], where, values[first])

    def peaks(self) -> dict[str, Peaks]:
        """Site -> what was found."""
        return {own.site: own.peaks() for own in self.sites}


def counted(ends: Sequence[int], ids: Ids) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens of a text count, bool [tokens], and where in it each begins [tokens].

    ``ends``: where each ends (``networks.pieces.ends``), 0 for special tokens.
    """
    stops = np.asarray(ends, np.int64)
    starts = np.concatenate([[0], np.maximum.accumulate(stops)[:-1]])[: len(ids)]
    counts = stops > starts
    counts[:1] = False
    return counts, starts
