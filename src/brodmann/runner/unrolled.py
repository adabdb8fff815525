"""Runs prefix trees row by row, for models that take no packs: each path to a leaf is a sequence of its own.

Rows of equal length make a batch, so that there is no padding and no mask. What a node's past holds is read
first, without gradients, and through the model's KV cache where it has a usable one. A node that several rows
share is run in each of them: it is scored and read in the first, edited in all, and its gradient is the sum
over all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from brodmann.runner.context import Reader
from brodmann.runner.encode import Ids
from brodmann.runner.queries import Answer, Edit, Gradient, Outside, Past, Query, Read, Scores
from brodmann.runner.ranks.marked import on_all_ranks
from brodmann.runner.taken import Taken
from brodmann.runner.trees import Layout, Tree

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel


class Unrolled:
    """Runs queries row by row on one model."""

    stays = True

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.reader = Reader(model)

    @property
    def forward_passes(self) -> int:
        """So far."""
        return self.reader.forward_passes

    @on_all_ranks
    def run(self, query: Query, batch_tokens: int) -> Answer:
        """Everything that is asked, batch by batch. Blocks below ``query.start`` are run all the same."""
        whole = _Whole(query)
        asks = query.scores.nodes or query.reads or query.gradient
        for batch in _batches(query.tree, batch_tokens) if asks else ():
            # A recurrence changes its state in place, which gradients do not survive, and some lose digits
            # where they are split.
            whole_rows = query.gradient is not None and self.reader.states
            context = self.reader.read(batch.before, keep=not whole_rows)
            part = _Part(whole, batch, at=context.again)
            taken = Taken(part.query, part.layout)
            sites = taken.sites(self.model)
            ids = self.reader.tensor(batch.ids)
            # The head runs from the first scored token on.
            first = int(part.layout.position[taken.scored].min(initial=part.layout.length - 1))
            keep = part.layout.length - first
            grad = torch.no_grad() if query.gradient is None else torch.enable_grad()
            with (
                grad,
                taken.shown(self.model),
                self.reader.trace(context, ids, keep=keep) as tracer,
            ):
                for place, site in sites:
                    taken.touch(place, site)
                if len(taken.scored):
                    logits = self.model.nn.output.logits[:, -keep:]
                    lane, position = taken.at(taken.scored, logits.device)
                    taken.score(logits[lane, position - first])
                    taken.differentiate()
                else:
                    tracer.stop()
            taken.put_together()
            part.give(taken.answer)
        if query.keep:
            whole.answer.past = Past(query.tree)
        return whole.answer


@dataclass(frozen=True)
class _Batch:
    """Rows of equal length: tokens of the past, own tokens, and the nodes of these."""

    before: list[Ids]
    ids: list[Ids]
    nodes: np.ndarray  # int64 [rows, length]


def _batches(tree: Tree, batch_tokens: int) -> Iterator[_Batch]:
    lengths: dict[tuple[int, int], list[tuple[Ids, Ids, list[int]]]] = defaultdict(list)
    for leaf in tree.leaves():
        past, own = tree.path(leaf)
        before = () if tree.past is None else tuple(tree.past.tokens[node] for node in past)
        ids = tuple(tree.tokens[node] for node in own)
        lengths[len(past), len(own)].append((before, ids, own))
    for (past_length, length), rows in sorted(lengths.items(), key=lambda entry: entry[0]):
        rows.sort(key=lambda row: row[:2])
        at_once = max(1, batch_tokens // (past_length + length))
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            nodes = np.array([own for _, _, own in some], dtype=np.int64)
            yield _Batch([before for before, _, _ in some], [ids for _, ids, _ in some], nodes)


@dataclass
class _Whole:
    """A query, what has been answered of it, and which nodes have been run."""

    query: Query
    run: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        scores = torch.zeros(len(self.query.scores.nodes), dtype=torch.float64)
        self.answer = Answer(scores, [{} for _ in self.query.reads])


class _Part:
    """A query as one batch sees it: its nodes are the batch's places, row by row, ``at`` tokens in."""

    def __init__(self, whole: _Whole, batch: _Batch, at: int) -> None:
        self.whole, self.at = whole, at
        query, flat = whole.query, batch.nodes.reshape(-1)
        self.copies: dict[int, list[int]] = defaultdict(list)
        for place, node in enumerate(flat.tolist()):
            self.copies[node].append(place)
        new = {node for node in self.copies if node not in whole.run}
        whole.run |= new
        rows, length = batch.nodes.shape
        self.layout = Layout(
            tokens=np.zeros(len(flat), dtype=np.int64),
            lane=np.repeat(np.arange(rows), length),
            position=np.tile(np.arange(at, at + length), rows),
            depth=np.zeros(len(flat), dtype=np.int64),
            lanes=rows,
            length=at + length,
        )
        # Which scores, and which nodes of each read, are this batch's.
        self.scores = [n for n, node in enumerate(query.scores.nodes) if node in new]
        self.reads = [[n for n, node in enumerate(r.nodes) if node in new] for r in query.reads]
        # (which of the gradient's nodes, at which place)
        asked = () if query.gradient is None else query.gradient.nodes
        self.watched = [(n, place) for n, node in enumerate(asked) for place in self.copies[node]]
        self.query = replace(
            query,
            scores=Scores(
                [self.copies[query.scores.nodes[n]][0] for n in self.scores],
                [query.scores.tokens[n] for n in self.scores],
            ),
            reads=[self._read(*pair) for pair in zip(query.reads, self.reads, strict=True)],
            edits=[edit for edit in map(self._edit, query.edits) if len(edit.nodes)],
            gradient=None if query.gradient is None else self._gradient(query.gradient),
            start=None,
            keep=False,
            past=None,
        )

    def _read(self, read: Read, own: list[int]) -> Read:
        def some(values: object) -> list:  # type: ignore[type-arg]
            return [values[n] for n in own]  # type: ignore[index]

        return replace(
            read,
            layers=read.layers if own else (),
            nodes=[self.copies[node][0] for node in some(read.nodes)],
            rows=None if read.rows is None else some(read.rows),
            weights=None if read.weights is None else some(read.weights),
        )

    def _edit(self, edit: Edit | Outside) -> Edit | Outside:
        """On all copies of the nodes that this batch runs."""
        nodes = edit.nodes.tolist()
        pairs = [(n, place) for n, node in enumerate(nodes) for place in self.copies.get(node, ())]
        which = torch.tensor([n for n, _ in pairs], dtype=torch.long)
        copies = torch.tensor([place for _, place in pairs], dtype=torch.long)
        if isinstance(edit, Outside):
            return replace(edit, nodes=copies, lines=edit.lines[which], sets=edit.sets[which])
        return replace(
            edit,
            nodes=copies,
            dimensions=None if edit.dimensions is None else edit.dimensions[which],
            values=edit.values[which.to(edit.values.device)],
        )

    def _gradient(self, gradient: Gradient) -> Gradient:
        return replace(
            gradient,
            signs=[gradient.signs[n] for n in self.scores],
            nodes=[place for _, place in self.watched],
        )

    def give(self, found: Answer) -> None:
        """Put what the batch gave into the answer of the whole query."""
        answer, query = self.whole.answer, self.whole.query
        if self.scores:
            answer.scores[self.scores] = found.scores
        for read, own, total, values in zip(
            query.reads, self.reads, answer.reads, found.reads, strict=True
        ):
            for layer, value in values.items():
                size = len(read.nodes) if read.rows is None else read.n_rows
                if layer not in total:
                    total[layer] = value.new_zeros(size, value.shape[1])
                if read.rows is None:
                    total[layer][own] = value
                else:
                    total[layer][: len(value)] += value
        if query.gradient is None:
            return
        which = torch.tensor([n for n, _ in self.watched], dtype=torch.long)
        for place, gradient in found.gradients.items():
            if place not in answer.gradients:
                shape = len(query.gradient.nodes), gradient.shape[1]
                answer.gradients[place] = gradient.new_zeros(shape)
                answer.values[place] = gradient.new_zeros(shape)
            at = which.to(gradient.device)
            answer.gradients[place].index_add_(0, at, gradient)
            answer.values[place][at] = found.values[place]
