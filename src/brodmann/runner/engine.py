"""Runs whatever is asked of a model's tokens: packs where the model takes them, else row by row.

Callers put *entries* (an item, a text, a lesion on an item) into a tree and ask a query of it. ``each`` does
this for a list of entries: it fills trees up to a bound of nodes, and takes fewer if memory does not suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from brodmann.errors import UserError
from brodmann.models.positions import learned_positions, require_positions, rescaled_positions
from brodmann.runner import footprint
from brodmann.runner.footprint import AUTO_BATCH_TOKENS, MAX_LOGITS
from brodmann.runner.memory import halved, out_of_memory
from brodmann.runner.pack_trial import refusal, skips
from brodmann.runner.packed import Packed
from brodmann.runner.queries import Past
from brodmann.runner.trees import Tree
from brodmann.runner.unrolled import Unrolled

if TYPE_CHECKING:
    import numpy as np

    from brodmann.models.load import LoadedModel
    from brodmann.runner.encode import Ids
    from brodmann.runner.queries import Answer, Query

Entry = TypeVar("Entry")
Added = TypeVar("Added")
Found = TypeVar("Found")


class Engine:
    """Runs queries on one model and counts its forward passes."""

    def __init__(self, model: LoadedModel, batch_tokens: int | None = None) -> None:
        """``batch_tokens``: nodes of a tree, if the user says so."""
        self.model = model
        self.refusal = refusal(model)
        self._packed = None if self.refusal else Packed(model)
        self._unrolled = Unrolled(model) if self.refusal else None
        self._positions, self._rescaled = learned_positions(model.hf), rescaled_positions(model.hf)
        kind = model.device.type
        self.lane_nodes = lane_nodes(model)
        if batch_tokens is None:
            batch_tokens = self.lane_nodes if kind == "cpu" else AUTO_BATCH_TOKENS.get(kind, 2048)
        self.nodes = batch_tokens
        self.lane_nodes = min(self.lane_nodes, batch_tokens)
        # Logits of a run are float32 [scored nodes, vocabulary].
        self.scored = max(1, MAX_LOGITS // model.vocabulary_size)

    @property
    def packs(self) -> bool:
        """Whether trees are run as they are."""
        return self._packed is not None

    @cached_property
    def skips(self) -> bool:
        """Whether blocks may be skipped: whether a query's start is heeded. To be asked first while the model
        is not edited."""
        return self.packs and skips(self.model)

    @property
    def forward_passes(self) -> int:
        """So far."""
        return sum(own.forward_passes for own in (self._packed, self._unrolled) if own is not None)

    def run(self, query: Query) -> Answer:
        """Everything that is asked; memory may run out."""
        longest, fix = 1 + max(query.tree.depths, default=-1), "give shorter texts"
        require_positions(self._positions, longest, "texts", fix)
        if self._rescaled is not None and longest > self._rescaled:
            what = (
                f"a text of {longest} tokens; beyond {self._rescaled} the model rescales positions"
            )
            raise UserError.at("texts", f"{what}, also those of texts that are read beside it", fix)
        if self._packed is not None:
            if query.start is not None and not self.skips:
                query = replace(query, start=None)
            return self._packed.run(query)
        assert self._unrolled is not None
        return self._unrolled.run(query, self.nodes)

    def narrowed(self, past: Past, nodes: Iterable[int]) -> tuple[Past, np.ndarray]:
        """A past of ``nodes`` and their ancestors alone: what goes on from it does not see the others.

        Also which of its nodes each node of ``past`` is, see ``Tree.narrowed``.
        """
        if self._packed is not None:
            return self._packed.narrowed(past, nodes)
        tree, number = past.tree.narrowed(nodes)
        return Past(tree), number

    def in_order(self, rows: Sequence[Ids]) -> list[int]:
        """Numbers of rows in the order in which trees hold them best: those that begin alike side by side,
        or, where rows are run one by one, those that are equally long."""
        if self.packs:
            return sorted(range(len(rows)), key=lambda number: rows[number])
        return sorted(range(len(rows)), key=lambda number: (len(rows[number]), rows[number]))

    def each(
        self,
        entries: Sequence[Entry],
        add: Callable[[Tree, Entry], Added],
        run: Callable[[Tree, list[tuple[Entry, Added]]], Found],
        *,
        past: Past | None = None,
        share: float = 1.0,
        scored: Callable[[Entry], int] = lambda _: 0,
        most: int | None = None,
    ) -> Iterator[Found]:
        """What ``run`` gives of tree after tree, entries in order.

        ``add`` puts an entry's rows into a tree and says where they are. ``share``: of the nodes that a tree
        may have (a run with gradients holds more of each). ``scored``: how many nodes of an entry are scored.
        ``most``: entries of a tree, where what is found of each takes room. Trees are about equally large.
        """
        waiting = list(entries)
        while waiting:
            tree, held = self._filled(waiting[:most], add, past, share, scored)
            found = self.attempt(tree, held, run)
            if found is None:  # out of memory: fewer nodes now
                continue
            yield found[0]
            del waiting[: len(held)]

    def _filled(
        self,
        entries: Sequence[Entry],
        add: Callable[[Tree, Entry], Added],
        past: Past | None,
        share: float,
        scored: Callable[[Entry], int],
    ) -> tuple[Tree, list[tuple[Entry, Added]]]:
        """A tree with the first of the entries, at least one."""
        limit, lane = self.nodes * share, max(1, int(self.lane_nodes * share))
        tree = Tree(None if past is None else past.tree, lane if past is None else None)
        held: list[tuple[Entry, Added]] = []
        logits = 0
        for entry in entries:
            size = len(tree)
            tree.open_lane()
            added = add(tree, entry)
            logits += scored(entry)
            if held and (tree.size > limit or logits > self.scored):
                tree.take_back(size)
                break
            held.append((entry, added))
        return tree, held

    def attempt(
        self,
        tree: Tree,
        held: list[tuple[Entry, Added]],
        run: Callable[[Tree, list[tuple[Entry, Added]]], Found],
    ) -> tuple[Found] | None:
        """What ``run`` gives; None if memory ran out, for trees of fewer nodes to be filled."""
        try:
            return (run(tree, held),)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(held) == 1:
                raise UserError.at(
                    "execution",
                    f"not enough memory for {len(tree)} tokens at once",
                    "use a device with more memory, device_map: auto, or a smaller dtype",
                ) from None
        self.nodes = halved(min(self.nodes, len(tree)), self.model.device)
        return None


def lane_nodes(model: LoadedModel) -> int:
    """Nodes of a lane, by a model's widths."""
    own = model.widths
    return footprint.lane_nodes(own.hidden_size, _computed(model), own.heads * own.head_dim)


def keys_per_node(model: LoadedModel) -> float:
    """Attention to so many keys costs a node as much as a block's weights."""
    own = model.widths
    return footprint.keys_per_node(own.hidden_size, _computed(model), own.heads * own.head_dim)


def _computed(model: LoadedModel) -> int:
    """Neurons that a token goes through, as far as is known: of experts most are left out."""
    return 0 if model.experts is not None else model.widths.neurons
