"""Lesions at levels other than single neurons or heads: units lie at several sites, or are a whole layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from brodmann.circuits.lesion_trees import Lines, Measurement, _Coloured, _First
from brodmann.circuits.lesions import Lesion
from brodmann.runner.queries import Edit, Place, Read
from brodmann.sites import LEVELS


@dataclass(frozen=True)
class _Units:
    """Where some of a level's units lie: the ``count`` from the ``first`` on, each of ``size`` dimensions.

    ``means``: the columns of the site among those of all sites.
    """

    site: str
    first: int
    count: int
    size: int
    means: slice

    @property
    def width(self) -> int:
        """Of the site."""
        return self.count * self.size

    def dimensions(self, units: Sequence[int]) -> np.ndarray:
        """The dimensions of the site that hold those of a layer's ``units`` which are among them."""
        own = np.array(units) - self.first
        own = own[(own >= 0) & (own < self.count)]
        dimensions: np.ndarray = (own[:, None] * self.size + np.arange(self.size)).reshape(-1)
        return dimensions


class LevelMeasurement(Measurement):
    """As ``Measurement``, of a level (``sites.LEVELS``); what is edited lies at a site of a layer.

    ``means``: [layers, width of all sites of the level, side by side].
    """

    def _locate(self, component: str) -> None:
        self.units: dict[str, _Units] = {}
        first = column = 0
        for part in LEVELS[component].parts:
            width, size = self.model.width(part.site), self.model.unit_size(part.site)
            count, size = (1, width) if part.whole else (width // size, size)
            own = slice(column, column + width)
            self.units[part.site] = _Units(part.site, first, count, size, own)
            first, column = first + count, column + width

    def _dimensions(self, lesion: Lesion) -> dict[Place, np.ndarray]:
        found = {
            (own.site, layer): own.dimensions(units)
            for layer, units in lesion.by_layer().items()
            for own in self.units.values()
        }
        return {place: dimensions for place, dimensions in found.items() if len(dimensions)}

    def _reads(self, donors: list[int]) -> list[Read]:
        units: dict[str, dict[int, list[int]]] = {site: {} for site in self.units}
        for (site, layer), dimensions in self.edited.items():
            units[site][layer] = dimensions.tolist()
        return [Read(site, list(own) if donors else (), donors, own) for site, own in units.items()]

    def _donors(self, found: Sequence[dict[int, torch.Tensor]]) -> dict[Place, torch.Tensor]:
        return {
            (site, layer): value
            for site, own in zip(self.units, found, strict=True)
            for layer, value in own.items()
        }

    def _edits(self, first: _First, coloured: _Coloured) -> list[Edit]:
        edits = []
        for place in self.edited:
            there = [(n, self.dimensions[n].get(place)) for n in coloured.nodes]
            own = [(coloured.nodes[n], where) for n, where in there if where is not None]
            if not own:
                continue
            if all(len(where) == self.units[place[0]].width for _, where in own):
                # Rows as a whole: there would be as many indices as values.
                node, dimension = np.concatenate([nodes for nodes, _ in own]), None
            else:
                node = np.concatenate([np.repeat(nodes, len(where)) for nodes, where in own])
                dimension = np.concatenate([np.tile(where, len(nodes)) for nodes, where in own])
            values = self._given(first, place, coloured.donor[node], dimension)
            index = None if dimension is None else torch.from_numpy(dimension)
            edits.append(Edit(place[0], place[1], torch.from_numpy(node), index, values))
        return edits

    def _given(
        self, first: _First, place: Place, lines: Lines, dimensions: np.ndarray | None
    ) -> torch.Tensor:
        """The values of edits [edits]; without ``dimensions`` those of all of them, [edits, width]."""
        site, layer = place
        if self.kind == "corrupted":
            given = first.donors[place]
            line = torch.from_numpy(lines).to(given.device)
            if dimensions is None:
                return given[line]
            column = torch.from_numpy(np.searchsorted(self.edited[place], dimensions))
            return given[line, column.to(given.device)]
        if self.kind == "mean":
            assert self.means is not None
            means = torch.from_numpy(self.means[layer, self.units[site].means])
            return means.expand(len(lines), -1) if dimensions is None else means[dimensions]
        width = () if dimensions is not None else (self.units[site].width,)
        return torch.zeros(len(lines), *width)
