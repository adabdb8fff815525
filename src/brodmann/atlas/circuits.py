"""A model's circuits of one kind of unit, as files of the atlas: scores, layers with ranks, masks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brodmann.atlas.bins import binned, cells
from brodmann.atlas.contract import Circuit, Domains, Layer, Order, Scores
from brodmann.atlas.domains import domains_of, whole
from brodmann.atlas.order import domain_order
from brodmann.circuits.orders import ranked
from brodmann.errors import UserError
from brodmann.files import REBUILD, read_text
from brodmann.models.population import Population
from brodmann.store.tensors import read_tensor
from brodmann.tasks.catalogue import domain_of

# A model with more units of a kind than this has its scores in bins; each unit's lie in the files of layers.
MOST_UNITS = 1_000_000


@dataclass(frozen=True)
class Circuits:
    """Attributions of the tasks that a model does. ``scores``: f32 [tasks, layers, width]. ``widths``: of
    each layer, where they differ."""

    tasks: list[str]
    scores: np.ndarray
    main: dict[str, Circuit]  # of the main selection
    domains: list[str]  # of the manifest, in its order
    widths: list[int] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, width)."""
        return self.scores.shape[1], self.scores.shape[2]

    @property
    def binned(self) -> bool:
        """Whether there are too many units for a cell each."""
        return self.shape[0] * self.shape[1] > MOST_UNITS

    @property
    def bin(self) -> int:
        """Units per cell."""
        return cells(self.shape[1]) if self.binned else 1

    @property
    def task_domains(self) -> np.ndarray:
        """The domain of each task, as its index in the manifest [tasks]."""
        return np.array([self.domains.index(domain_of(task)) for task in self.tasks])

    @cached_property
    def order(self) -> Order:
        """Units of one domain side by side."""
        return domain_order(self.scores, self.task_domains)

    @cached_property
    def members(self) -> np.ndarray:
        """Main circuits: bool [tasks, layers, width]."""
        found = np.zeros((len(self.tasks), self.shape[0] * self.shape[1]), dtype=bool)
        for row, task in enumerate(self.tasks):
            if task in self.main:
                found[row, self.main[task].units] = True
        return found.reshape(self.scores.shape)

    def task_scores(self) -> Iterator[tuple[str, Scores]]:
        """Every task's file."""
        for row, task in enumerate(self.tasks):
            yield task, self.shown(row, self.scores[row])

    def shown(self, row: int, scores: np.ndarray, n_items: int | None = None) -> Scores:
        """A task's scores [layers, width]; in bins, which count units of its circuit, if too many."""
        if not self.binned:
            return Scores(scores=scores, n_items=n_items)
        bins, ordered = (
            binned(scores, self.members[row], self.bin, *order)
            for order in ((), (self.order.domain,))
        )
        return Scores(bins=bins, domain_bins=ordered, n_items=n_items)

    def exact(self) -> Iterator[tuple[str, Scores]]:
        """Every unit's scores of each task, where the task's file has bins: what the map shows from near."""
        if self.binned:
            for row, task in enumerate(self.tasks):
                yield task, Scores(scores=self.scores[row])

    @cached_property
    def ranks(self) -> np.ndarray:
        """i32 [tasks, layers, width]: 1 is the largest of the task; equal ones by layer, then unit. Places
        that a layer lacks come last."""
        found = np.empty(self.scores.shape, dtype=np.int32)
        there = Population.of(*self.shape, self.widths)
        for row, own in enumerate(self.scores):
            order = np.concatenate([ranked(own, "positive", there), there.absent])
            ranks = np.empty(order.size, dtype=np.int32)
            ranks[order] = np.arange(1, order.size + 1, dtype=np.int32)
            found[row] = ranks.reshape(own.shape)
        return found

    def layer(self, number: int) -> Layer:
        """The file of one layer."""
        return Layer(self.tasks, self.scores[:, number], self.ranks[:, number])

    def domain_map(self) -> Domains:
        """Which domains the cells are of."""
        return whole(self._domains, self.bin, self.order.domain if self.binned else None)

    @property
    def unit_domains(self) -> Domains:
        """Which domains the units are of."""
        return whole(self._domains, 1)

    @cached_property
    def _domains(self) -> tuple[np.ndarray, np.ndarray]:
        return domains_of(self.scores, self.members, self.task_domains, len(self.domains))


def read_scores(folder: Path, component: str, tasks: list[str]) -> tuple[list[str], np.ndarray]:
    """The tasks that have an attribution, and these: f32 [tasks, layers, width]; none of excluded tasks.

    ``folder``: of a model.
    """
    kept, found = [], []
    for task in tasks:
        path = folder / "attribution" / component / f"{task}.safetensors"
        if not path.is_file():
            continue
        own = read_tensor(path, "attribution").astype(np.float32, copy=False)
        if own.size:
            kept.append(task)
            found.append(own)
    if len({own.shape for own in found}) > 1:
        what = "its tasks' attributions differ in shape"
        raise UserError.at(str(folder / "attribution" / component), what, REBUILD)
    return kept, np.stack(found) if found else np.zeros((0, 0, 0), dtype=np.float32)


def read_circuits(
    folder: Path, component: str, sel: str, tasks: list[str], width: int
) -> dict[str, Circuit]:
    """Task -> its circuit at one size, where a study has it."""
    found = {}
    for task in tasks:
        path = folder / "masks" / component / sel / f"{task}.csv"
        if path.is_file():
            units, scores = read_mask(path, width)
            found[task] = Circuit(units, scores)
    return found


def read_mask(path: Path, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat units (i32) and scores (f32) of a mask file, in its order; the third column is the score."""
    try:
        head, *rows = csv.reader(read_text(path).splitlines())
        layer, unit = head.index("layer"), head.index("unit")
        places = np.array([(row[layer], row[unit]) for row in rows], dtype=np.int64).reshape(-1, 2)
        scores = np.array([row[2] for row in rows], dtype=np.float32)
    except (ValueError, IndexError, csv.Error):
        raise UserError.at(str(path), "not a mask", REBUILD) from None
    return (places[:, 0] * width + places[:, 1]).astype(np.int32), scores
