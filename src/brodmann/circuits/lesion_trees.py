"""How lesions are run: a first tree of some items, intact, from which all lesions' trees go on.

The first tree holds what no lesion touches, the donors' rows, and lesioned rows as they are without a lesion.
It gives the donors' activations, the intact scores, and outputs of blocks. In the trees that go on from it a
node has the colour of its lesion and of its donor's node, so that rows share what is the same under one
lesion. They see the prefixes that they hang on and nothing else of the first tree. Blocks below a tree's
lowest edit are skipped, their output being the intact one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brodmann.circuits.lesions import Kept, Lesion, Row, names_of, rows_of
from brodmann.runner.encode import EncodedItem
from brodmann.runner.engine import Engine, keys_per_node
from brodmann.runner.footprint import MOST_READ
from brodmann.runner.queries import ROUTES, Edit, Outside, Past, Query, Read, Scores, Start
from brodmann.runner.trees import NONE, Tree
from brodmann.sites import COMPONENTS
from brodmann.tasks.items import begin_alike

# Lanes are not made shorter: little attention is left to be saved, and uneven lanes waste more.
_LEAST_LANE = 64

Lines = np.ndarray  # int64: which line of a tensor each token of a row has


@dataclass(frozen=True)
class _Seen:
    """Nodes of a row in a first tree: its own, as far as they are run intact, and its donor's."""

    own: np.ndarray
    donor: np.ndarray


@dataclass(frozen=True)
class _Hanging:
    """A row, the node of the past that it hangs on, and where what its changed tokens need is found."""

    row: Row
    hangs: int
    donor: Lines  # in ``_First.donors``
    block: Lines  # in ``_First.blocks``


@dataclass
class _First:
    """What lesions need of a first tree. ``rows``: of each of its items.

    ``donors``: layer (or place) -> [nodes, all lesions' dimensions]. ``blocks``: layer -> [nodes, hidden],
    and ``routes``: layer -> [nodes, experts], of the same nodes.
    """

    items: list[int]
    rows: list[list[_Hanging]]
    past: Past | None
    donors: dict[Any, torch.Tensor]
    blocks: dict[int, torch.Tensor]
    routes: dict[int, torch.Tensor]


@dataclass(frozen=True)
class _Entry:
    """An item under a lesion; ``slot``: which of its first tree's items it is."""

    lesion: int
    slot: int


class Measurement:
    """Lesions on items: what is known before anything is run, and what was found.

    ``found`` is float64 [lesions, items, names].
    """

    def __init__(
        self,
        engine: Engine,
        component: str,
        items: Sequence[EncodedItem],
        lesions: Sequence[Lesion | Kept],
        kind: str,
        means: np.ndarray | None = None,
        *,
        routes_held: bool = False,
    ) -> None:
        self.engine, self.model = engine, engine.model
        self._locate(component)
        self.kind, self.means = kind, means
        self.rows = [rows_of(item, kind) for item in items]
        self.found = np.zeros((len(lesions), len(items), len(names_of(items))))
        self.lanes: dict[int, int] = {}  # see ``_in_lanes``
        self.intact = [n for n, lesion in enumerate(lesions) if lesion.is_intact]
        self.lowest = {n: lesion.lowest for n, lesion in enumerate(lesions) if not lesion.is_intact}
        # Lesions whose lowest edits lie close together make a tree, which can then skip the blocks below.
        self.order = sorted(self.lowest, key=lambda n: lesions[n].order)
        self._prepare({n: lesions[n] for n in self.order})
        self.kept_blocks = self._worth_keeping()
        own = self.model.experts if routes_held and self.lowest else None
        above = range(min(self.lowest.values(), default=0), self.model.n_layers)
        self.held = [layer for layer in above if own is not None and own.has(layer)]

    def _prepare(self, lesions: Mapping[int, Any]) -> None:
        """Lesion -> layer -> the dimensions that it edits; and those that any of them does."""
        self.dimensions = {n: self._dimensions(lesion) for n, lesion in lesions.items()}
        edited: dict[Any, list[np.ndarray]] = defaultdict(list)
        for own in self.dimensions.values():
            for layer, dimensions in own.items():
                edited[layer].append(dimensions)
        self.edited = {n: np.unique(np.concatenate(edited[n])) for n in sorted(edited)}

    def _locate(self, component: str) -> None:
        """Find where the units are."""
        self.site = COMPONENTS[component]
        self.size = self.model.unit_size(self.site)

    def _dimensions(self, lesion: Lesion) -> dict[Any, np.ndarray]:
        """Layer -> the dimensions of the site that hold the lesion's units."""
        within = np.arange(self.size)
        return {
            layer: (np.array(units)[:, None] * self.size + within).reshape(-1)
            for layer, units in lesion.by_layer().items()
        }

    def _worth_keeping(self) -> list[int]:
        """Blocks just below a lowest edit, if what is saved above them is more than what they cost.

        They cost a run of the intact rows, unless that is wanted anyway.
        """
        runs_saved = sum(self.lowest.values()) / self.model.n_layers
        if not self.engine.packs or not (self.intact or runs_saved > 1):
            return []
        return sorted({layer - 1 for layer in self.lowest.values() if layer > 0})

    def run(self) -> Iterator[int]:
        """Measure everything; gives the number of (lesion, item) pairs as they are done."""
        order, self.lanes = self._in_lanes()
        share = self._first_share()
        trees = self.engine.each(
            order, self._add_first, self._run_first, share=share, scored=self._scored
        )
        for first in trees:
            if self.intact:
                yield len(self.intact) * len(first.items)
            yield from self._lesioned(first)

    def _first_share(self) -> float:
        """Of the nodes that a tree may have, how many a first tree has at most."""
        return 1.0

    def _scored(self, number: int) -> int:
        return sum(len(row.scores) for row in self.rows[number])

    def _in_lanes(self) -> tuple[list[int], dict[int, int]]:
        """The items in the order in which they are taken, and in which lane of its first tree each lies.

        Attention is to nodes of the own lane. But what all prompts begin with is run in every lane, and all
        lanes are as long as the longest. No lanes where lesions begin with the first token: rows that begin
        alike then share what they begin with.
        """
        if self.kind != "corrupted" or not self.order:
            return sorted(range(len(self.rows)), key=lambda n: self.rows[n][0].ids), {}
        changed = [_changed(rows) for rows in self.rows]
        order = sorted(range(len(self.rows)), key=lambda n: (-changed[n], self.rows[n][0].ids))
        rows = [own[0] for own in self.rows]
        header = min([begin_alike([row.ids for row in rows]), *(row.begin for row in rows)])
        prefix = float(np.mean([row.begin for row in rows])) - header
        own = prefix + 2 * float(np.mean(changed))  # nodes of an item in a first tree
        worth, nodes = keys_per_node(self.model), self.engine.nodes

        def dealt(lanes: int) -> tuple[float, dict[int, int]]:
            """(cost of all items in nodes that attend to nothing, their lanes)"""
            at_once = max(lanes, int((nodes - lanes * header) / own))
            found, intact, lesioned = {}, 0.0, 0.0
            for start in range(0, len(order), at_once):
                some = order[start : start + at_once]
                loads = [0] * lanes
                for item in some:
                    lane = loads.index(min(loads))
                    found[item] = lane
                    loads[lane] += changed[item]
                in_lane = len(some) / lanes
                keys = header + in_lane * own
                intact += lanes * keys * (1 + keys / worth)
                keys = header + in_lane * prefix + min(nodes, len(self.order) * sum(loads)) / lanes
                lesioned += len(self.order) * lanes * max(loads) * (1 + keys / worth)
            return intact + lesioned, found

        most = max(1, min(len(rows), nodes // _LEAST_LANE))
        _, lanes = min((dealt(1 << n) for n in range(most.bit_length())), key=lambda pair: pair[0])
        return order, lanes

    # First trees

    def _add_first(self, tree: Tree, number: int) -> list[_Seen]:
        """Put an item's rows into a first tree."""
        whole = bool(self.intact or self.kept_blocks or self.held)
        seen = []
        tree.open_lane(self.lanes.get(number))
        for row in self.rows[number]:
            own = tree.add(row.ids if whole else row.ids[: row.begin])
            donor = tree.add(row.donor) if self.kind == "corrupted" and self.order else []
            seen.append(_Seen(np.array(own, np.int64), np.array(donor, np.int64)))
        return seen

    def _run_first(self, tree: Tree, held: list[tuple[int, list[_Seen]]]) -> _First:
        """Run it as far as anything is asked of it."""
        pairs = [
            (row, seen)
            for number, own in held
            for row, seen in zip(self.rows[number], own, strict=True)
        ]
        hung = [int(seen.own[row.begin - 1]) for row, seen in pairs if row.begin and self.order]
        donors, donor_lines = _lines(tree, [seen.donor[row.begin :] for row, seen in pairs])
        kept = self.kept_blocks or self.held
        own = [seen.own[row.begin :] for row, seen in pairs] if kept else []
        blocks, block_lines = _lines(tree, own)
        reads = [*self._reads(donors), Read("block_output", self.kept_blocks, blocks)]
        reads += [Read(ROUTES, self.held, blocks)] if self.held else []
        scores, asked = self._first_scores(held)
        past, number = None, np.full(len(tree), NONE)
        found: list[dict[int, torch.Tensor]] = [{} for _ in reads]
        if scores.nodes or donors or blocks or hung:
            answer = self.engine.run(Query(tree, scores=scores, reads=reads, keep=bool(hung)))
            found = answer.reads
            if hung:
                assert answer.past is not None
                past, number = self.engine.narrowed(answer.past, hung)
            for (lesions, item, name), value in zip(asked, answer.scores.tolist(), strict=True):
                self.found[lesions, item, name] += value

        def hanging(row: Row, seen: _Seen) -> _Hanging:
            hangs = int(number[seen.own[row.begin - 1]]) if row.begin else NONE
            none = np.full(len(row.changed), NONE)
            return _Hanging(
                *(row, hangs),
                donor_lines[seen.donor[row.begin :]] if donors else none,
                block_lines[seen.own[row.begin :]] if blocks else none,
            )

        rows = [list(map(hanging, self.rows[item], own)) for item, own in held]
        routes = found.pop() if self.held else {}
        items = [item for item, _ in held]
        return _First(items, rows, past, self._donors(found[:-1]), found[-1], routes)

    def _reads(self, donors: list[int]) -> list[Read]:
        """What is asked of donors' nodes: what any lesion writes."""
        units = {layer: dimensions.tolist() for layer, dimensions in self.edited.items()}
        return [Read(self.site, list(units) if donors else (), donors, units)]

    def _donors(self, found: Sequence[dict[int, torch.Tensor]]) -> dict[Any, torch.Tensor]:
        """What ``_reads`` gave, by what ``edited`` goes by."""
        [own] = found
        return own

    def _first_scores(
        self, held: list[tuple[int, list[_Seen]]]
    ) -> tuple[Scores, list[tuple[list[int], int, int]]]:
        """What is scored intact; of each score, the (lesions, item, name) that it is added to.

        What a row says before it is changed is the same under all lesions.
        """
        nodes, tokens, asked = [], [], []
        for item, own in held:
            for row, seen in zip(self.rows[item], own, strict=True):
                for score in row.scores:
                    lesions = self.intact + (self.order if score.place < row.begin else [])
                    if lesions:
                        nodes.append(int(seen.own[score.place]))
                        tokens.append(score.token)
                        asked.append((lesions, item, score.name))
        return Scores(nodes, tokens), asked

    # Lesions

    def _lesioned(self, first: _First) -> Iterator[int]:
        """All lesions on the items of a first tree."""
        if not self.order:
            return
        slots = range(len(first.items))
        entries = [_Entry(lesion, slot) for lesion in self.order for slot in slots]

        def add(tree: Tree, entry: _Entry) -> list[np.ndarray]:
            nodes = []
            if first.past is None:
                tree.open_lane(self.lanes.get(first.items[entry.slot]))
            for own in first.rows[entry.slot]:
                changed = own.row.changed
                colours: list[tuple[int, int]] = [(entry.lesion, NONE)] * len(changed)
                if self.kind == "corrupted":
                    colours = [(entry.lesion, line) for line in own.donor.tolist()]
                nodes.append(np.array(tree.add(changed, hangs=own.hangs, colours=colours)))
            return nodes

        def run(tree: Tree, held: list[tuple[_Entry, list[np.ndarray]]]) -> int:
            self._run_lesioned(first, tree, held)
            return len(held)

        def scored(entry: _Entry) -> int:
            return self._scored(first.items[entry.slot])

        # Trees of about one size: the last one, too, reads all weights.
        of_lanes: dict[int, int] = defaultdict(int)
        for item, rows in zip(first.items, first.rows, strict=True):
            of_lanes[self.lanes.get(item, 0)] += _changed([own.row for own in rows])
        all_nodes = len(of_lanes) * max(of_lanes.values()) * len(self.order)
        each = all_nodes / math.ceil(all_nodes / self.engine.nodes)
        share = min(1.0, 1.1 * each / self.engine.nodes)
        yield from self.engine.each(entries, add, run, past=first.past, share=share, scored=scored)

    def _run_lesioned(
        self, first: _First, tree: Tree, held: list[tuple[_Entry, list[np.ndarray]]]
    ) -> None:
        """Run a tree of lesioned rows and add its scores to what was found."""
        scored, tokens, at = [], [], []
        for entry, nodes in held:
            item = first.items[entry.slot]
            for hanging, own in zip(first.rows[entry.slot], nodes, strict=True):
                row = hanging.row
                for score in row.scores:
                    if score.place >= row.begin:
                        scored.append(int(own[score.place - row.begin]))
                        tokens.append(score.token)
                        at.append((entry.lesion, item, score.name))
        coloured = _Coloured.of(first, held)
        floor = min(self.lowest[lesion] for lesion in coloured.nodes)
        start = None
        if floor - 1 in first.blocks:
            below = first.blocks[floor - 1]
            start = Start(floor, below[torch.from_numpy(coloured.block).to(below.device)])
        query = Query(
            tree,
            past=first.past,
            scores=Scores(scored, tokens),
            edits=[*self._edits(first, coloured), *self._routed(first, coloured, floor)],
            start=start,
        )
        answer = self.engine.run(query)
        np.add.at(self.found, tuple(np.array(at).T), answer.scores.numpy())

    def _routed(self, first: _First, coloured: _Coloured, floor: int) -> Iterator[Edit]:
        """From the lowest edit on, the routes that the intact model takes."""
        nodes = torch.from_numpy(np.sort(np.concatenate(list(coloured.nodes.values()))))
        for layer, routes in first.routes.items():
            if layer >= floor:
                lines = torch.from_numpy(coloured.block)[nodes].to(routes.device)
                yield Edit(ROUTES, layer, nodes, None, routes[lines])

    def _edits(self, first: _First, coloured: _Coloured) -> Sequence[Edit | Outside]:
        """What each layer's nodes get: of every lesion, all its nodes at all its dimensions there."""
        edits: list[Edit | Outside] = []
        for layer, edited in self.edited.items():
            nodes, dimensions, lines = [], [], []
            for lesion, own in coloured.nodes.items():
                where = self.dimensions[lesion].get(layer)
                if where is None:
                    continue
                nodes.append(np.repeat(own, len(where)))
                lines.append(np.repeat(coloured.donor[own], len(where)))
                dimensions.append(np.tile(where, len(own)))
            if not nodes:
                continue
            node, dimension, line = map(np.concatenate, (nodes, dimensions, lines))
            if self.kind == "corrupted":
                given = first.donors[layer]
                column = np.searchsorted(edited, dimension)
                index = (torch.from_numpy(line), torch.from_numpy(column))
                values = given[tuple(own.to(given.device) for own in index)]
            elif self.kind == "mean":
                assert self.means is not None
                values = torch.from_numpy(self.means[layer][dimension])
            else:
                values = torch.zeros(len(node))
            edits.append(
                Edit(self.site, layer, torch.from_numpy(node), torch.from_numpy(dimension), values)
            )
        return edits


class KeptMeasurement(Measurement):
    """The same of lesions of all units but some (``Kept``): what is edited is told by what is kept."""

    def _prepare(self, lesions: Mapping[int, Any]) -> None:
        """Lesion -> bool [layers, dimensions], which it keeps; and the layers that any of them edits."""
        self.kept = {n: np.repeat(one.units, self.size, axis=1) for n, one in lesions.items()}
        width = self.model.width(self.site)
        whole = np.logical_and.reduce([one.units.all(1) for one in lesions.values()])
        layers = np.flatnonzero(~whole).tolist() if lesions else []
        self.edited = dict.fromkeys(layers, np.arange(width))

    def _first_share(self) -> float:
        """Donors are read whole: of as many nodes as there is room for."""
        if self.kind != "corrupted" or not self.edited:
            return 1.0
        values = len(self.edited) * self.model.width(self.site)
        return min(1.0, MOST_READ / values / self.engine.nodes)

    def _reads(self, donors: list[int]) -> list[Read]:
        return [Read(self.site, list(self.edited) if donors else (), donors)]

    def _edits(self, first: _First, coloured: _Coloured) -> Sequence[Edit | Outside]:
        """What each layer's nodes get: of every lesion, all its nodes, but for what it keeps there."""
        lesions = list(coloured.nodes)
        own = np.concatenate([coloured.nodes[n] for n in lesions])
        sizes = [len(coloured.nodes[n]) for n in lesions]
        nodes, sets = torch.from_numpy(own), torch.from_numpy(np.repeat(range(len(sizes)), sizes))
        lines = torch.zeros(len(own), dtype=torch.long)
        if self.kind == "corrupted":
            lines = torch.from_numpy(coloured.donor[own])
        edits = []
        for layer in self.edited:
            kept = torch.from_numpy(np.stack([self.kept[n][layer] for n in lesions]))
            if bool(kept.all()):
                continue
            if self.kind == "corrupted":
                values = first.donors[layer]
            elif self.kind == "mean":
                assert self.means is not None
                values = torch.from_numpy(self.means[layer])[None]
            else:
                values = torch.zeros(1, kept.shape[1])
            edits.append(Outside(self.site, layer, nodes, values, lines, kept, sets))
        return edits


@dataclass(frozen=True)
class _Coloured:
    """Nodes of a tree of lesioned rows. ``nodes``: by lesion. ``donor`` and ``block``: each node's lines."""

    nodes: dict[int, np.ndarray]
    donor: Lines
    block: Lines

    @classmethod
    def of(cls, first: _First, held: list[tuple[_Entry, list[np.ndarray]]]) -> _Coloured:
        size = 1 + max(int(own.max()) for _, nodes in held for own in nodes)
        lesion, donor, block = (np.full(size, NONE) for _ in range(3))
        for entry, nodes in held:
            for hanging, own in zip(first.rows[entry.slot], nodes, strict=True):
                lesion[own] = entry.lesion
                donor[own], block[own] = hanging.donor, hanging.block
        return cls(
            {n: np.flatnonzero(lesion == n) for n in np.unique(lesion).tolist()}, donor, block
        )


def _changed(rows: Sequence[Row]) -> int:
    """Nodes of an item that are run under every lesion."""
    tree = Tree()
    for row in rows:
        tree.add(row.changed)
    return len(tree)


def _lines(tree: Tree, nodes: Sequence[np.ndarray]) -> tuple[list[int], Lines]:
    """All of ``nodes``, each once, and the place of each of the tree's nodes among them (or ``NONE``)."""
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *nodes]))
    lines = np.full(len(tree), NONE)
    lines[every] = np.arange(len(every))
    return every.tolist(), lines
