"""Attribution: how much each unit carries of what tells the clean from the corrupted problem.

How contributions are estimated, by attribution patching or otherwise, is said in ``circuits/estimators``. The
metric of a dual-answer item is lp(correct) - lp(incorrect), of a single-answer item lp(answer), divided by
the task's contrast (clean_baseline - corrupted_baseline). The gradient flows through both answers, or
(published) through the correct one only. Attribution is the mean over items.

Two prefix trees are run for a chunk of items. The first is read without gradients: clean prompts, whose
activations at the last token are kept, and corrupted prompts but for their last token. The *tails* (that
token and the answers after it) make the second one, against the keys and values of the first; only they are
differentiated. Tails of two items share no node, even where their tokens are the same: the gradient at a
shared node would be the sum of both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from brodmann.circuits.estimators.interface import Estimator, SiteValues
from brodmann.circuits.estimators.patching import Patching
from brodmann.errors import UserError
from brodmann.models.load import LoadedModel
from brodmann.runner.answers import queries_of
from brodmann.runner.encode import EncodedItem, Ids
from brodmann.runner.engine import Engine
from brodmann.runner.footprint import TAIL_SHARE
from brodmann.runner.queries import Edit, Gradient, Past, Place, Query, Read
from brodmann.runner.scoring import Asked
from brodmann.runner.trees import NONE, Tree
from brodmann.sites import COMPONENTS, SITES

BOTH_ANSWERS = "both_answers"

Found = TypeVar("Found")


@dataclass(frozen=True)
class Contributions:
    """Per item and unit: ``values[component]`` is float32 [items, layers, units], on the host.

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


@dataclass
class Chunk:
    """Items whose prompts have been read, with their numbers in the list that was given.

    ``clean``: (site, layer) -> [items, width] at the last token of the clean prompt. ``past``: the tree of
    what was read, ``hangs``: its nodes that the corrupted prompts' last tokens go on from. ``scores``:
    float64 [items, 4] in the order of ``queries_of``, where a baseline is scored on the way.
    """

    numbers: list[int]
    items: list[EncodedItem]
    clean: SiteValues
    past: Past
    hangs: list[int]
    scores: np.ndarray | None


@dataclass(frozen=True)
class Tail:
    """An item's corrupted last token in a tree, and the paths of its answers from that token on.

    ``colour``: tells apart tails of one item that are edited differently.
    """

    row: int
    colour: Any
    last: int
    paths: tuple[tuple[Ids, list[int]], ...]


@dataclass(frozen=True)
class Differentiated:
    """Activations and gradients at some tails' last prompt token, by place: float32 [tails, width]."""

    tails: list[Tail]
    values: dict[Place, torch.Tensor]
    gradients: dict[Place, torch.Tensor]

    @property
    def rows(self) -> list[int]:
        """Which item of the chunk each tail is of."""
        return [tail.row for tail in self.tails]


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
        batch_tokens: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.model = model
        self.engine = engine or Engine(model, batch_tokens)
        self.components = tuple(components)
        self.gradient = gradient
        self.estimator = estimator or Patching()
        wanted = {COMPONENTS[component] for component in self.components}
        self.places: list[Place] = [
            (site, layer) for layer in range(model.n_layers) for site in SITES if site in wanted
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

        Only of an estimator that ``scores_answers``. Values that are not finite are given, too: which items
        are used is not known yet.
        """
        for part in self._chunks(items, self._attributed, scored=True):
            yield part
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

        Metric of the corrupted run in which one unit (layer, index) has its clean activation at the last
        prompt token, less that of the untouched corrupted run. Items must be aligned.
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
        prompts = _Prompts(items, scored)
        aligned = [number for number, item in enumerate(items) if item.aligned]
        order = self.engine.in_order([items[number].clean for number in aligned])
        numbers = [aligned[place] for place in order]

        def run(tree: Tree, held: list[tuple[int, _Paths]]) -> Found:
            return use(self._read(tree, held, prompts))

        return self.engine.each(numbers, prompts.add, run, scored=prompts.scored)

    def _read(self, tree: Tree, held: list[tuple[int, _Paths]], prompts: _Prompts) -> Chunk:
        """Run the first tree."""
        numbers = [number for number, _ in held]
        items = [prompts.items[number] for number in numbers]
        last = [paths.clean[-1] for _, paths in held]
        sites = dict.fromkeys(site for site, _ in self.places)
        reads = [Read(site, range(self.model.n_layers), last) for site in sites]
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
        return Chunk(numbers, items, clean, past, hangs, scores)

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
            item = chunk.items[row]
            [last] = tree.add(item.corrupted[-1:], hangs=chunk.hangs[row], colours=[entry])
            given = [getattr(item, name) for name in answers]
            paths = tuple(
                (answer, [last, *tree.add(answer[:-1], after=last)])
                for answer in given
                if answer is not None
            )
            return Tail(row, colour, last, paths)

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
            gradient = Gradient(signed, places, [tail.last for tail in tails])
            found = self.engine.run(
                Query(tree, chunk.past, asked.scores, edits=edits(tails), gradient=gradient)
            )
            if chunk.scores is not None:
                sums = asked.sums(found.scores.numpy(), 2 * len(tails)).reshape(-1, 2)
                _complete(chunk, [tail.row for tail in tails], sums)
            return Differentiated(tails, found.values, found.gradients)

        return self._tails(chunk, entries, run, answers=answers)

    def corrupted_values(self, chunk: Chunk) -> SiteValues:
        """(site, layer) -> [items, width]: activations at the last token of the corrupted prompts."""
        values: SiteValues = {
            place: torch.zeros_like(value) for place, value in chunk.clean.items()
        }
        sites = dict.fromkeys(site for site, _ in self.places)

        def run(tree: Tree, tails: list[Tail]) -> None:
            last, rows = [tail.last for tail in tails], [tail.row for tail in tails]
            reads = [Read(site, range(self.model.n_layers), last) for site in sites]
            found = self.engine.run(Query(tree, chunk.past, reads=reads))
            for site, own in zip(sites, found.reads, strict=True):
                for layer, value in own.items():
                    values[site, layer][rows] = value

        entries = [(row, None) for row in range(len(chunk.items))]
        for _ in self._tails(chunk, entries, run, answers=()):
            pass
        return values

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
        values = {component: self._by_layer(totals, component) for component in self.components}
        return Contributions(chunk.numbers, values, chunk.scores)

    def _by_layer(self, totals: SiteValues, component: str) -> torch.Tensor:
        """[items, layers, units] on the host; a head's contribution is the sum over its dimensions."""
        site = COMPONENTS[component]
        layers = [totals[site, layer] for layer in range(self.model.n_layers)]
        if len({values.device for values in layers}) > 1:
            layers = [values.cpu() for values in layers]
        found = torch.stack(layers, dim=1)
        if (size := self.model.unit_size(COMPONENTS[component])) > 1:
            found = found.unflatten(-1, (-1, size)).sum(-1)
        return found.cpu()


@dataclass(frozen=True)
class _Paths:
    """An item's nodes in the first tree; ``asked``: (column of scores, path, what is scored at its end)."""

    clean: list[int]
    corrupted: list[int]
    asked: tuple[tuple[int, list[int], Ids], ...]


@dataclass(frozen=True)
class _Prompts:
    """Puts items into the first tree. ``scores``: with the answers to the clean prompt."""

    items: Sequence[EncodedItem]
    scores: bool

    def add(self, tree: Tree, number: int) -> _Paths:
        """Both prompts of an item, the corrupted one but for its last token."""
        item = self.items[number]
        clean, corrupted = tree.add(item.clean), tree.add(item.corrupted[:-1])
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
    """Gives tails, whose colours are places in ``units``, the clean activation of one unit each."""

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
            first = torch.tensor([self.units[tail.colour][1] for tail in own])[:, None] * size
            dimensions = (first + torch.arange(size)).reshape(-1)
            clean = self.chunk.clean[site, layer]
            rows = torch.tensor([tail.row for tail in own]).repeat_interleave(size)
            values = clean[rows.to(clean.device), dimensions.to(clean.device)]
            nodes = torch.tensor([tail.last for tail in own]).repeat_interleave(size)
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
