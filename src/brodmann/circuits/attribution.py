"""Attribution: how much each unit carries of what tells the clean from the corrupted problem.

How contributions are estimated, by attribution patching or otherwise, is said in ``circuits/estimators``. The
metric of a dual-answer item is lp(correct) - lp(incorrect), of a single-answer item lp(answer), divided by
the task's contrast (clean_baseline - corrupted_baseline). The gradient flows through both answers, or
(published) through the correct one only. Attribution is the mean over items.

Units are scored at the last token of the prompts, or at more of them (``circuits/positions``). A *spot* is
one such token of one item; an item's contribution is the sum over its spots.

Two prefix trees are run for a chunk of items. The first is read without gradients: clean prompts, whose
activations at their spots are kept, and corrupted prompts as far as their first spot. The *tails* (what comes
from that token on, and the answers after it) make the second one, against the keys and values of the
first; only they are differentiated. Tails of two items share no node, even where their tokens are the same:
the gradient at a shared node would be the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import torch

from brodmann.circuits.costs import MOST_SPOTS
from brodmann.circuits.estimators.interface import ALL, LAST, Estimator, SiteValues
from brodmann.circuits.estimators.patching import Patching
from brodmann.circuits.positions import watched
from brodmann.errors import UserError
from brodmann.models.load import LoadedModel
from brodmann.runner.answers import queries_of
from brodmann.runner.encode import EncodedItem, Ids
from brodmann.runner.engine import Engine
from brodmann.runner.footprint import TAIL_SHARE
from brodmann.runner.queries import EMBEDDINGS, Edit, Gradient, Past, Place, Query, Read
from brodmann.runner.scoring import Asked
from brodmann.runner.trees import NONE, Tree
from brodmann.sites import COMPONENTS, PLACES

BOTH_ANSWERS = "both_answers"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Contributions:
    """Per item and unit: ``values[component]`` is float32 [items, layers, units], on the model's device, or
    on the host if the model is on several.

    ``scores``: the items' log-probabilities, float64 [items, 4] in the order of ``queries_of``, where they
    were asked for.
    """

    numbers: list[int]  # which items, as positions in the list that was given
    values: dict[str, torch.Tensor]
    scores: np.ndarray | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all values are finite."""
        return all(bool(torch.isfinite(values).all()) for values in self.values.values())

    def on_host(self) -> Contributions:
        """The same there, to be held for long."""
        return replace(self, values={name: own.cpu() for name, own in self.values.items()})


@dataclass
class Chunk:
    """Items whose prompts have been read, with their numbers in the list that was given.

    ``spots``: each item's positions that are watched; spots are counted item by item. ``starts``: the first
    position of its tails. ``clean``: (site, layer) -> [spots, width] of the clean prompts. ``past``: the tree
    of what was read, ``hangs``: its nodes that the corrupted prompts go on from. ``scores``: float64 [items,
    4] in the order of ``queries_of``, where a baseline is scored on the way.
    """

    numbers: list[int]
    items: list[EncodedItem]
    spots: list[list[int]]
    starts: list[int]
    clean: SiteValues
    past: Past
    hangs: list[int]
    scores: np.ndarray | None

    @cached_property
    def rows(self) -> list[int]:
        """Which item each spot is of."""
        return [row for row, own in enumerate(self.spots) for _ in own]

    @cached_property
    def first(self) -> list[int]:
        """The number of each item's first spot."""
        return list(accumulate(map(len, self.spots[:-1]), initial=0))


@dataclass(frozen=True)
class Tail:
    """The end of an item's corrupted prompt in a tree, its first spot in it, and the paths of its answers.

    ``colour``: tells apart tails of one item that are edited differently. ``prompt``: the nodes of the
    prompt; ``nodes``: those of its spots; ``spots``: which of the chunk's spots these are. A path begins with
    the prompt's last node.
    """

    row: int
    colour: Any
    prompt: list[int]
    nodes: list[int]
    spots: range
    paths: tuple[tuple[Ids, list[int]], ...]


@dataclass(frozen=True)
class Differentiated:
    """Activations and gradients at the spots of some tails, one after another: by place, float32 [spots of
    these tails, width]."""

    tails: list[Tail]
    values: dict[Place, torch.Tensor]
    gradients: dict[Place, torch.Tensor]

    @property
    def spots(self) -> list[int]:
        """Which spot of the chunk each line is of."""
        return spots_of(self.tails)


def spots_of(tails: Sequence[Tail]) -> list[int]:
    """The spots of tails, one tail after another."""
    return [spot for tail in tails for spot in tail.spots]


def nodes_of(tails: Sequence[Tail]) -> list[int]:
    """Their nodes, likewise."""
    return [node for tail in tails for node in tail.nodes]


EditsOf = Callable[[Sequence[Tail]], Sequence[Edit]]


class Attributor:
    """Attributes one model's answers to its units."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        components: Sequence[str] = ("neurons",),
        gradient: str = BOTH_ANSWERS,
        estimator: Estimator | None = None,
        positions: str = LAST,
        router_gradient: bool = False,
        batch_tokens: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        """``positions``: see ``circuits.positions``. ``router_gradient``: whether gradients at experts'
        neurons go through the weights that routers give to experts, too."""
        if model.quantised is not None and not model.quantised.gradients:
            raise UserError(model.quantised.refusal(model.name))
        self.model = model
        self.engine = engine or Engine(model, batch_tokens)
        self.components = tuple(components)
        self.gradient = gradient
        self.estimator = estimator or Patching()
        self.positions = positions
        self.router_gradient = router_gradient
        wanted = {COMPONENTS[component] for component in self.components}
        self.places: list[Place] = [
            (site, layer) for layer in range(model.n_layers) for site in PLACES if site in wanted
        ]

    def contributions(
        self,
        task: str,
        items: Sequence[EncodedItem],
        contrast: float = 1.0,
        on_items: Callable[[int], object] | None = None,
    ) -> Iterator[Contributions]:
        """Every aligned item's contributions, chunk by chunk, in units of the normalised metric.

        ``contrast``: what the metric is divided by. A value that is not finite is an error.
        """
        for part in self.of_all(items, lambda number: f"{task}, item {number}", on_items):
            for values in part.values.values():
                values /= contrast
            yield part

    def of_all(
        self,
        items: Sequence[EncodedItem],
        where: Callable[[int], str],
        on_items: Callable[[int], object] | None = None,
    ) -> Iterator[Contributions]:
        """The same of items of several tasks, undivided; ``where`` names an item in errors."""
        for part in self._chunks(items, self._attributed):
            if not part.is_finite:
                # Keys that are not finite reach all rows of a tree: which item's they are, it tells alone.
                for number in part.numbers:
                    [alone] = self._chunks([items[number]], self._attributed)
                    refuse_non_finite(where, replace(alone, numbers=[number]))
                refuse_non_finite(where, part)
            if on_items is not None:
                on_items(len(part.numbers))
            yield part

    def with_scores(
        self, items: Sequence[EncodedItem], on_items: Callable[[int], object] | None = None
    ) -> Iterator[Contributions]:
        """The same with the items' baseline scores, which cost next to nothing beside it.

        Only of an estimator that ``scores_answers``, at the last token. Values are on the host, as which
        items are used is not known yet; those that are not finite are given, too.
        """
        for part in self._chunks(items, self._attributed, scored=True):
            yield part.on_host()
            if on_items is not None:
                on_items(len(part.numbers))

    def exact_effects(
        self,
        items: Sequence[EncodedItem],
        component: str,
        units: Sequence[tuple[int, int]],
        contrast: float = 1.0,
        on_rows: Callable[[int], object] | None = None,
    ) -> torch.Tensor:
        """The true effect of patching single units, float64 [items, units].

        Metric of the corrupted run in which one unit (layer, index) has its clean activation at all spots of
        the item, less that of the untouched corrupted run. Items must be aligned.
        """
        effects = torch.zeros(len(items), len(units), dtype=torch.float64)
        for chunk in self._chunks(items, lambda chunk: chunk):
            rows = range(len(chunk.items))
            intact = np.zeros(len(rows))
            for tails, found in self._metrics(chunk, [(row, None) for row in rows]):
                intact[[tail.row for tail in tails]] = found
            patch = _UnitPatches(self.model, component, units, chunk)
            entries = [(row, place) for place in range(len(units)) for row in rows]
            for tails, found in self._metrics(chunk, entries, patch.edits):
                own = [tail.row for tail in tails]
                numbers = [chunk.numbers[row] for row in own]
                columns = [tail.colour for tail in tails]
                effects[numbers, columns] = torch.from_numpy(found - intact[own])
                if on_rows is not None:
                    on_rows(len(own))
        return effects / contrast

    # Prompts

    def _chunks(
        self,
        items: Sequence[EncodedItem],
        use: Callable[[Chunk], Found],
        *,
        scored: bool = False,
    ) -> Iterator[Found]:
        """What ``use`` makes of chunk after chunk of the aligned items.

        ``scored``: whether all of a baseline is scored that the first tree has: what goes before the
        corrupted prompt's last token.
        """
        prompts = _Prompts(items, scored, self._start)
        aligned = [number for number, item in enumerate(items) if item.aligned]
        order = self.engine.in_order([items[number].clean for number in aligned])
        numbers = [aligned[place] for place in order]

        def run(tree: Tree, held: list[tuple[int, _Paths]]) -> Found:
            return use(self._read(tree, held, prompts))

        most = None if self.positions == LAST else self._most(items, numbers)
        return self.engine.each(numbers, prompts.add, run, scored=prompts.scored, most=most)

    def _start(self, item: EncodedItem) -> int:
        """The first position of an item's tails."""
        return watched(item, ALL if self.estimator.from_first_difference else self.positions)[0]

    def _most(self, items: Sequence[EncodedItem], numbers: Sequence[int]) -> int:
        """Items of a chunk, so that the activations of their spots fit."""
        each = sum(self.model.width(site) for site, _ in self.places) * self.model.dtype.itemsize
        longest = max((len(watched(items[n], self.positions)) for n in numbers), default=1)
        return max(1, MOST_SPOTS // (each * longest))

    def _read(self, tree: Tree, held: list[tuple[int, _Paths]], prompts: _Prompts) -> Chunk:
        """Run the first tree."""
        numbers = [number for number, _ in held]
        items = [prompts.items[number] for number in numbers]
        spots = [watched(item, self.positions) for item in items]
        starts = [self._start(item) for item in items]
        nodes = [paths.clean[n] for own, (_, paths) in zip(spots, held, strict=True) for n in own]
        sites = dict.fromkeys(site for site, _ in self.places)
        reads = [Read(site, range(self.model.n_layers), nodes) for site in sites]
        asked = Asked()
        if prompts.scores:
            for row, (_, paths) in enumerate(held):
                for column, path, target in paths.asked:
                    asked.add(4 * row + column, path, target)
        found = self.engine.run(Query(tree, scores=asked.scores, reads=reads, keep=True))
        assert found.past is not None
        scores = None
        if prompts.scores:
            scores = asked.sums(found.scores.numpy(), 4 * len(held)).reshape(-1, 4)
        clean = {
            (site, layer): value
            for site, values in zip(sites, found.reads, strict=True)
            for layer, value in values.items()
        }
        # Tails see what they hang on, not the clean prompts.
        ends = [paths.corrupted[-1] for _, paths in held if paths.corrupted]
        past, moved = self.engine.narrowed(found.past, ends)
        hangs = [int(moved[p.corrupted[-1]]) if p.corrupted else NONE for _, p in held]
        return Chunk(numbers, items, spots, starts, clean, past, hangs, scores)

    # Tails

    def _tails(
        self,
        chunk: Chunk,
        entries: Sequence[tuple[int, Hashable]],
        run: Callable[[Tree, list[Tail]], Found],
        *,
        answers: Sequence[str],
    ) -> Iterator[Found]:
        """What ``run`` makes of tree after tree of tails. ``entries``: (item's row, colour)."""

        def add(tree: Tree, entry: tuple[int, Hashable]) -> Tail:
            row, colour = entry
            item, own = chunk.items[row], chunk.spots[row]
            start, first = chunk.starts[row], chunk.first[row]
            ids = item.corrupted[start:]
            prompt = tree.add(ids, hangs=chunk.hangs[row], colours=[entry] * len(ids))
            last = prompt[-1]
            given = [getattr(item, name) for name in answers]
            paths = tuple(
                (answer, [last, *tree.add(answer[:-1], after=last)])
                for answer in given
                if answer is not None
            )
            nodes = [prompt[n - start] for n in own]
            return Tail(row, colour, prompt, nodes, range(first, first + len(own)), paths)

        def scored(entry: tuple[int, Hashable]) -> int:
            item = chunk.items[entry[0]]
            return sum(len(getattr(item, name) or ()) for name in answers)

        return self.engine.each(
            list(entries),
            add,
            lambda tree, held: run(tree, [tail for _, tail in held]),
            past=chunk.past,
            share=TAIL_SHARE,
            scored=scored,
        )

    @property
    def _answers(self) -> tuple[str, ...]:
        """The answers that the metric is made of, the incorrect one with the sign -1."""
        return ("correct", "incorrect") if self.gradient == BOTH_ANSWERS else ("correct",)

    def differentiated(
        self, chunk: Chunk, places: Sequence[Place] | None = None
    ) -> Iterator[Differentiated]:
        """The untouched corrupted run of every item, differentiated with respect to ``places``.

        Scores of the chunk are completed with those of the answers.
        """
        entries: list[tuple[int, Hashable]] = [(row, None) for row in range(len(chunk.items))]
        return self.edited_gradients(chunk, entries, places or self.places)

    def edited_gradients(
        self,
        chunk: Chunk,
        entries: Sequence[tuple[int, Hashable]],
        places: Sequence[Place],
        edits: EditsOf = lambda _: (),
    ) -> Iterator[Differentiated]:
        """The same of corrupted runs that are edited; places are watched after the edit."""
        # A baseline needs both answers, also where only one is differentiated.
        answers = ("correct", "incorrect") if chunk.scores is not None else self._answers
        signs = [
            {"correct": 1.0, "incorrect": -1.0}[a] if a in self._answers else 0.0 for a in answers
        ]

        def run(tree: Tree, tails: list[Tail]) -> Differentiated:
            asked = _asked(tails)
            signed = [signs[number % 2] for number in asked.numbers]
            query = Query(tree, chunk.past, asked.scores, edits=edits(tails))
            values: dict[Place, torch.Tensor] = {}
            gradients: dict[Place, torch.Tensor] = {}
            for own, through in self._by_gradient(places):
                gradient = Gradient(signed, own, nodes_of(tails), through)
                found = self.engine.run(replace(query, gradient=gradient))
                values |= found.values
                gradients |= found.gradients
            if chunk.scores is not None:
                sums = asked.sums(found.scores.numpy(), 2 * len(tails)).reshape(-1, 2)
                _complete(chunk, [tail.row for tail in tails], sums)
            return Differentiated(tails, values, gradients)

        return self._tails(chunk, entries, run, answers=answers)

    def _by_gradient(self, places: Sequence[Place]) -> list[tuple[list[Place], bool]]:
        """Places with whether their gradient goes through routers. That of heads does, whatever that of
        experts and of their neurons does: where they differ, they are not found in one pass."""
        apart = self.model.experts is not None and not self.router_gradient
        held = [place for place in places if apart and place[0] in ("mlp_hidden", "experts")]
        other = [place for place in places if place not in held]
        return [(own, through) for own, through in ((other, True), (held, False)) if own]

    def corrupted_values(self, chunk: Chunk) -> SiteValues:
        """(site, layer) -> [spots, width]: activations of the corrupted prompts."""
        values: SiteValues = {
            place: torch.zeros_like(value) for place, value in chunk.clean.items()
        }
        sites = dict.fromkeys(site for site, _ in self.places)

        def run(tree: Tree, tails: list[Tail]) -> None:
            nodes, spots = nodes_of(tails), spots_of(tails)
            reads = [Read(site, range(self.model.n_layers), nodes) for site in sites]
            found = self.engine.run(Query(tree, chunk.past, reads=reads))
            for site, own in zip(sites, found.reads, strict=True):
                for layer, value in own.items():
                    values[site, layer][spots] = value

        entries = [(row, None) for row in range(len(chunk.items))]
        for _ in self._tails(chunk, entries, run, answers=()):
            pass
        return values

    def embeddings(self, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The embeddings of some tokens, [tokens, hidden] of each row: what enters the first block of them,
        where nothing else is added to it."""
        tree = Tree()
        nodes = [[tree.add((token,))[0] for token in row] for row in rows]
        read = Read(EMBEDDINGS, [-1], range(len(tree)))
        if not len(tree):
            return [torch.zeros(0, self.model.hidden_size) for _ in rows]
        values = self.engine.run(Query(tree, reads=[read])).reads[0][-1]
        return [values[own] for own in nodes]

    def _metrics(
        self,
        chunk: Chunk,
        entries: Sequence[tuple[int, Hashable]],
        edits: EditsOf = lambda _: (),
    ) -> Iterator[tuple[list[Tail], np.ndarray]]:
        """(tails, their metrics, float64) of corrupted runs."""

        def run(tree: Tree, tails: list[Tail]) -> tuple[list[Tail], np.ndarray]:
            asked = _asked(tails)
            query = Query(tree, chunk.past, asked.scores, edits=edits(tails))
            found = asked.sums(self.engine.run(query).scores.numpy(), 2 * len(tails))
            return tails, found[0::2] - found[1::2]

        return self._tails(chunk, entries, run, answers=self._answers)

    # Contributions

    def _attributed(self, chunk: Chunk) -> Contributions:
        totals = self.estimator.contributions(self, chunk)
        values = {
            component: self._by_layer(chunk, totals, component) for component in self.components
        }
        return Contributions(chunk.numbers, values, chunk.scores)

    def _by_layer(self, chunk: Chunk, totals: SiteValues, component: str) -> torch.Tensor:
        """[items, layers, units], where the model is."""
        site = COMPONENTS[component]
        layers = [totals[site, layer] for layer in range(self.model.n_layers)]
        if len({values.device for values in layers}) > 1:
            layers = [values.cpu() for values in layers]
        found = torch.stack(layers, dim=1)
        return found if self.estimator.sums_units else self.of_units(chunk, component, found)

    def of_units(self, chunk: Chunk, component: str, values: torch.Tensor) -> torch.Tensor:
        """[items, ..., units] of products at spots [spots, ..., width]: sums over an item's spots and over
        the dimensions of a head."""
        if (size := self.model.unit_size(COMPONENTS[component])) > 1:
            values = values.unflatten(-1, (-1, size)).sum(-1)
        if len(chunk.rows) == len(chunk.items):
            return values
        found = values.new_zeros(len(chunk.items), *values.shape[1:])
        return found.index_add_(0, torch.tensor(chunk.rows, device=values.device), values)


@dataclass(frozen=True)
class _Paths:
    """An item's nodes in the first tree; ``asked``: (column of scores, path, what is scored at its end)."""

    clean: list[int]
    corrupted: list[int]
    asked: tuple[tuple[int, list[int], Ids], ...]


@dataclass(frozen=True)
class _Prompts:
    """Puts items into the first tree. ``scores``: with the answers to the clean prompt; tails are then one
    token long. ``start``: the first position of an item's tails."""

    items: Sequence[EncodedItem]
    scores: bool
    start: Callable[[EncodedItem], int]

    def add(self, tree: Tree, number: int) -> _Paths:
        """Both prompts of an item, the corrupted one as far as its tail."""
        item = self.items[number]
        clean, corrupted = tree.add(item.clean), tree.add(item.corrupted[: self.start(item)])
        asked = []
        if self.scores:
            queries = queries_of(item)
            for column in (0, 1) if item.incorrect is not None else (0, 2):
                own = queries[column]
                asked.append((column, tree.add(own.row), own.target))
            if item.incorrect is None and corrupted:
                asked.append((3, corrupted, item.corrupted[1:]))
        return _Paths(clean, corrupted, tuple(asked))

    def scored(self, number: int) -> int:
        """How many nodes of an item are scored, at most."""
        if not self.scores:
            return 0
        item = self.items[number]
        if item.incorrect is None:
            return 2 * len(item.clean) + len(item.correct)
        return len(item.correct) + len(item.incorrect)


def _asked(tails: Sequence[Tail]) -> Asked:
    """The answers of all tails; the number of a tail's first one is even, of its second one odd."""
    asked = Asked()
    for place, tail in enumerate(tails):
        for column, (answer, path) in enumerate(tail.paths):
            asked.add(2 * place + column, path, answer)
    return asked


def _complete(chunk: Chunk, rows: list[int], sums: np.ndarray) -> None:
    """Add what tails give, float64 [tails, (correct, incorrect)], to the scores of a chunk."""
    assert chunk.scores is not None
    for row, (correct, incorrect) in zip(rows, sums, strict=True):
        if chunk.items[row].incorrect is not None:
            chunk.scores[row, 2:] = correct, incorrect
        else:
            chunk.scores[row, 1] = correct
            chunk.scores[row, 3] += correct


@dataclass(frozen=True)
class _UnitPatches:
    """Gives tails, whose colours are places in ``units``, the clean activation of one unit each, at all
    their spots."""

    model: LoadedModel
    component: str
    units: Sequence[tuple[int, int]]
    chunk: Chunk

    def edits(self, tails: Sequence[Tail]) -> list[Edit]:
        """One for each layer."""
        site = COMPONENTS[self.component]
        size = self.model.unit_size(site)
        found = []
        for layer in sorted({self.units[tail.colour][0] for tail in tails}):
            own = [tail for tail in tails if self.units[tail.colour][0] == layer]
            units = [self.units[tail.colour][1] for tail in own for _ in tail.nodes]
            first = torch.tensor(units)[:, None] * size
            dimensions = (first + torch.arange(size)).reshape(-1)
            clean = self.chunk.clean[site, layer]
            spots = torch.tensor(spots_of(own)).repeat_interleave(size)
            values = clean[spots.to(clean.device), dimensions.to(clean.device)]
            nodes = torch.tensor(nodes_of(own)).repeat_interleave(size)
            found.append(Edit(site, layer, nodes, dimensions, values))
        return found


def refuse_non_finite(where: Callable[[int], str], part: Contributions) -> None:
    """An error that names the first item with a value that is not finite."""
    for component, values in part.values.items():
        finite = torch.isfinite(values).flatten(1).all(1)
        if not bool(finite.all()):
            number = part.numbers[int((~finite).nonzero()[0])]
            raise UserError.at(
                where(number),
                f"the attribution of its {component} is not finite",
                "the model's weights or dtype are at fault; try dtype: float32 or bfloat16",
            )
