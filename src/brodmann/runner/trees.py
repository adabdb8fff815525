"""Prefix trees of tokens: rows that begin alike share what they begin with.

A node is a token after its parent. A row is a path; where two rows have the same tokens they have the same
nodes, as long as the same edit applies to them (its *colour*). A tree may go on from nodes of another one,
its *past*, which has been read before.

Nodes lie in *lanes*, sequences that are run side by side: a row lies in one lane, and shares nodes with
rows of its lane only. Light: no torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brodmann.runner.encode import Ids

NONE = -1


@dataclass(frozen=True)
class Layout:
    """Where the nodes of a tree lie when it is run: arrays over its nodes, in the order of their making.

    ``position`` counts within the ``lane``; a parent lies before its children. ``depth`` counts the tokens
    before a node, its past included.
    """

    tokens: np.ndarray
    lane: np.ndarray
    position: np.ndarray
    depth: np.ndarray
    lanes: int
    length: int  # of the longest lane

    @cached_property
    def flat(self) -> np.ndarray:
        """The place of each node in a [lanes * length] array."""
        return np.asarray(self.lane * self.length + self.position)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of nodes as [lanes, length], 0 where there is no node."""
        found = np.zeros((self.lanes, self.length), dtype=values.dtype)
        found[self.lane, self.position] = values
        return found


class Tree:
    """Grows by rows; a node is a number that stays valid until it is taken back."""

    stays = True  # see runner.ranks

    def __init__(self, past: Tree | None = None, lane_nodes: int | None = None) -> None:
        """``lane_nodes``: from how many nodes on a new row opens a new lane (not beside a past, whose lanes
        are kept); None for a single lane."""
        self.past = past
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        # Node of the past that a node hangs on; its lane.
        self.roots: list[int] = []
        self.lanes: list[int] = []
        self._lane_nodes = lane_nodes
        self._lane = 0
        self._uneven = past is not None  # whether lanes are not filled one after another
        self._sizes = [0] * self._past_lanes()  # nodes of each lane
        self._keys: list[tuple[int, int, int, Hashable]] = []
        self._index: dict[tuple[int, int, int, Hashable], int] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Nodes that are run: lanes are as long as the longest. Where they are filled one after another, the
        last counts as it is."""
        longest, last = max(self._sizes), self._sizes[-1]
        return (len(self._sizes) - 1) * longest + (longest if self._uneven else last)

    def open_lane(self, lane: int | None = None) -> None:
        """Called before an entry's rows are added: these go into one lane. ``lane``: which, if it matters."""
        if lane is not None:
            self._lane, self._uneven = lane, True
        elif self._lane_nodes is not None and self._nodes_in(self._lane) >= self._lane_nodes:
            self._lane += 1

    def _nodes_in(self, lane: int) -> int:
        return self._sizes[lane] if lane < len(self._sizes) else 0

    def add(
        self,
        ids: Ids,
        *,
        after: int = NONE,
        hangs: int = NONE,
        colours: Sequence[Hashable] | None = None,
    ) -> list[int]:
        """The nodes of a row's tokens.

        ``after``: the node of this tree that it goes on from; ``hangs``: else, the node of the past. At a
        position with another colour begins another node, in which nothing is shared with the uncoloured one.
        """
        nodes = []
        parent = after
        for place, token in enumerate(ids):
            colour = None if colours is None else colours[place]
            root = hangs if parent == NONE else NONE
            if parent != NONE:
                lane = self.lanes[parent]
            elif root != NONE:
                assert self.past is not None
                lane = self.past.lanes[root]
            else:
                lane = self._lane
            # A parent or a root lies in one lane alone; without either the lane decides.
            key = (parent, root if root != NONE else NONE - 1 - lane, token, colour)
            node = self._index.get(key)
            if node is None:
                node = self._append(key, root, lane, self._depth(parent, root))
            nodes.append(node)
            parent = node
        return nodes

    def _append(self, key: tuple[int, int, int, Hashable], root: int, lane: int, depth: int) -> int:
        node = len(self.tokens)
        self._index[key] = node
        self._keys.append(key)
        self.tokens.append(key[2])
        self.parents.append(key[0])
        self.roots.append(root)
        self.lanes.append(lane)
        self.depths.append(depth)
        while len(self._sizes) <= lane:
            self._sizes.append(0)
        self._sizes[lane] += 1
        return node

    def _depth(self, parent: int, root: int) -> int:
        if parent != NONE:
            return self.depths[parent] + 1
        if root != NONE:
            assert self.past is not None
            return self.past.depths[root] + 1
        return 0

    def take_back(self, size: int) -> None:
        """Forget all nodes but the first ``size``; the lane that is being filled stays open."""
        for key in self._keys[size:]:
            del self._index[key]
        for lane in self.lanes[size:]:
            self._sizes[lane] -= 1
        for values in (
            self.tokens,
            self.parents,
            self.depths,
            self.roots,
            self.lanes,
            self._keys,
        ):
            del values[size:]
        del self._sizes[max([self._past_lanes() - 1, *self.lanes]) + 1 :]
        self._lane = self.lanes[-1] if self.lanes else 0

    def layout(self, multiple: int = 1) -> Layout:
        """Where its nodes lie, in lanes whose length is a multiple of a number."""
        lane = np.array(self.lanes, dtype=np.int64)
        lanes = 1 + max(int(lane.max(initial=0)), self._past_lanes() - 1)
        counts = np.zeros(lanes, dtype=np.int64)
        position = np.zeros(len(lane), dtype=np.int64)
        for node, own in enumerate(self.lanes):
            position[node] = counts[own]
            counts[own] += 1
        return Layout(
            tokens=np.array(self.tokens, dtype=np.int64),
            lane=lane,
            position=position,
            depth=np.array(self.depths, dtype=np.int64),
            lanes=lanes,
            length=-(-int(counts.max(initial=0)) // multiple) * multiple,
        )

    def _past_lanes(self) -> int:
        return 1 if self.past is None or not self.past.lanes else 1 + max(self.past.lanes)

    def ancestry(self, layout: Layout, past: np.ndarray | None = None) -> np.ndarray:
        """bool [lanes, length, past length + length]: which keys each node sees.

        A node sees its ancestors and itself. ``past``: the ancestry of the past's tree. A place without a
        node sees itself, so that no row of the mask is empty.
        """
        before = 0 if past is None else past.shape[2]
        seen = np.zeros((layout.lanes, layout.length, before + layout.length), dtype=bool)
        own = np.arange(layout.length)
        seen[:, own, before + own] = True
        there = None if self.past is None else self.past.layout()
        for node, parent in enumerate(self.parents):
            lane, position = self.lanes[node], layout.position[node]
            row = seen[lane, position]
            if parent != NONE:
                row |= seen[lane, layout.position[parent]]
                row[before + position] = True
            elif (root := self.roots[node]) != NONE:
                assert past is not None and there is not None
                row[:before] = past[lane, there.position[root]]
        return seen

    def path(self, node: int) -> tuple[list[int], list[int]]:
        """(nodes of the past, own nodes) from a row's first token to ``node``."""
        own = [node]
        while self.parents[own[-1]] != NONE:
            own.append(self.parents[own[-1]])
        own.reverse()
        root = self.roots[own[0]]
        if root == NONE:
            return [], own
        assert self.past is not None
        return self.past.path(root)[1], own

    def narrowed(self, nodes: Iterable[int]) -> tuple[Tree, np.ndarray]:
        """The tree of ``nodes`` and their ancestors alone, in the same lanes; which of its nodes each node is
        (int64 [nodes], ``NONE`` for one that is left out)."""
        assert self.past is None
        kept: set[int] = set()
        for node in nodes:
            while node != NONE and node not in kept:
                kept.add(node)
                node = self.parents[node]
        tree, number = Tree(), np.full(len(self), NONE, dtype=np.int64)
        for node in sorted(kept):
            parent, root, token, colour = self._keys[node]
            parent = NONE if parent == NONE else int(number[parent])
            lane, depth = self.lanes[node], self.depths[node]
            number[node] = tree._append((parent, root, token, colour), NONE, lane, depth)
        return tree, number

    def leaves(self) -> list[int]:
        """Nodes that nothing of this tree goes on from, in order."""
        inner = set(self.parents)
        return [node for node in range(len(self)) if node not in inner]
