"""Ablation: what a model makes of items while some of its units are silenced.

A *lesion* is a set of units of one component. For every item the model runs on prompt + answer with the
lesion's units replaced at every position, by

- ``corrupted``: their activations at the same position of the intact run on the other prompt (the
  corrupted one) + the very answer that is being scored;
- ``zero``: zero;
- ``mean``: one value per unit, given by the caller.

Dual-answer items: lp(correct) and lp(incorrect) after the lesioned clean prompt. Single-answer items: both
prompts are lesioned, each with the other's activations; lp(answer) after the clean one, and the joint
log-probabilities of prompt + answer for both, up to what the two share.

Exact savings: what is intact is run once for all lesions (the other prompt, the shared prefix under
``corrupted``, whose positions no lesion touches); many (lesion, item) rows make one batch, each with its own
edits; blocks below a batch's lowest edit are skipped, their output taken from an intact run; the LM head runs
at scored positions only; items of equal length make a batch, so that no row depends on another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import nnsight
import numpy as np
import torch

from brodmann.models.load import LoadedModel, UnitSite
from brodmann.runner.context import Context, Reader, common_prefix
from brodmann.runner.encode import EncodedItem, Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS, MAX_LOGITS
from brodmann.runner.memory import Budget, halved, out_of_memory
from brodmann.sites import COMPONENTS

KINDS = ("corrupted", "zero", "mean")
DUAL = ("correct", "incorrect")
SINGLE = ("answer", "clean_joint", "corrupted_joint")


@dataclass(frozen=True)
class Lesion:
    """Units as flat indices (layer * width + unit), sorted; what their order was does not matter."""

    units: tuple[int, ...]
    width: int

    @classmethod
    def of(cls, units: Sequence[int] | np.ndarray, width: int) -> Lesion:
        """From flat indices [n] in any order."""
        return cls(tuple(sorted({int(unit) for unit in units})), width)

    def by_layer(self) -> dict[int, list[int]]:
        """Layer -> its units."""
        layers: dict[int, list[int]] = defaultdict(list)
        for unit in self.units:
            layers[unit // self.width].append(unit % self.width)
        return dict(layers)

    @property
    def lowest(self) -> int:
        """The lowest layer it edits."""
        return self.units[0] // self.width


@dataclass(frozen=True)
class _Row:
    """One sequence to be run for every lesion: it goes on from a context that no lesion touches.

    ``scores``: name -> positions (in ``ids``) whose logits predict the next token, with that token.
    ``donor``: under ``corrupted``, the tokens of the intact run that gives the activations, equally many.
    """

    item: int
    context: Ids
    ids: Ids
    donor: Ids
    scores: Mapping[str, tuple[tuple[int, int], ...]]


@dataclass
class _Group:
    """Rows of equal shape with what is run once for them."""

    rows: list[_Row]
    context: Context
    ids: torch.Tensor  # [rows, length]
    # By layer: activations [rows, length, units], each unit's column in them, outputs of blocks
    # [rows, length, hidden].
    donors: dict[int, torch.Tensor] = field(default_factory=dict)
    columns: dict[int, dict[int, int]] = field(default_factory=dict)
    blocks: dict[int, torch.Tensor] = field(default_factory=dict)
    blocks_are_tuples: bool = False


class Ablator:
    """Measures lesions of one component on one model."""

    def __init__(
        self, model: LoadedModel, *, component: str = "neurons", batch_tokens: int | None = None
    ) -> None:
        self.model = model
        self.reader = Reader(model)
        self.component = component
        self.site = COMPONENTS[component]
        self.size = model.unit_size(component)
        self.batch_tokens = batch_tokens or AUTO_BATCH_TOKENS.get(model.device.type, 2048)
        self.budget = Budget(*model.devices)

    def scores(
        self,
        items: Sequence[EncodedItem],
        lesions: Sequence[Lesion],
        kind: str,
        means: np.ndarray | None = None,
        on_rows: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """float64 [lesions, items, names]: log-probabilities under each lesion (names: DUAL or SINGLE).

        ``means`` [layers, units] is what ``mean`` writes. A lesion without units gives the intact values.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind '{kind}'")
        names = SINGLE if items[0].incorrect is None else DUAL
        found = np.zeros((len(lesions), len(items), len(names)))
        # Lesions whose lowest edits lie close together make a batch, which can then skip the blocks below.
        order = sorted(range(len(lesions)), key=lambda n: lesions[n].units[:1] or (1 << 60,))
        for rows in self._row_groups(items, kind):
            group = self._open(rows, lesions, kind)
            start = 0
            while start < len(order):
                some = order[start : start + self._lesions_at_once(group)]
                values = self._run(group, [lesions[n] for n in some], kind, means)
                if values is None:  # out of memory: fewer at a time now
                    continue
                for place, number in enumerate(some):
                    for column, row in enumerate(group.rows):
                        # The list of a row may be longer than its names: padded with NaN.
                        for name, value in zip(row.scores, values[place][column], strict=False):
                            found[number, row.item, names.index(name)] += value
                if on_rows is not None:
                    on_rows(len(some) * len(group.rows))
                start += len(some)
        return found

    def mean_activations(self, items: Sequence[EncodedItem]) -> np.ndarray:
        """float64 [layers, units]: each unit's mean over the positions of the clean prompts, items alike.

        Heads: [layers, heads * head_dim].
        """
        total = np.zeros((self.model.n_layers, self.model.width(self.site)))
        lengths: dict[int, list[Ids]] = defaultdict(list)
        for item in items:
            lengths[len(item.clean)].append(item.clean)
        sites = [self.model.module(self.site, layer) for layer in range(self.model.n_layers)]
        for length, prompts in sorted(lengths.items()):
            at_once = max(1, self.batch_tokens // length)
            for start in range(0, len(prompts), at_once):
                ids = self.reader.tensor(prompts[start : start + at_once])
                with torch.no_grad(), self.reader.trace(Context(ids[:, :0], None), ids) as tracer:
                    values = nnsight.save([])
                    for site in sites:
                        values.append(site.get().detach().double().mean(1).sum(0).cpu())
                    tracer.stop()
                total += torch.stack(list(values)).numpy()
        return total / len(items)

    # Rows

    def _row_groups(self, items: Sequence[EncodedItem], kind: str) -> Iterator[list[_Row]]:
        """All rows of all items, those of equal length together, as many as fit."""
        lengths: dict[int, list[_Row]] = defaultdict(list)
        for number, item in enumerate(items):
            for row in _rows_of(number, item, kind):
                lengths[len(row.context) + len(row.ids)].append(row)
        # Within one length, contexts may be cut shorter: rows of like contexts make a group.
        for whole, rows in sorted(lengths.items()):
            at_once = max(1, self.batch_tokens // whole)
            ordered = sorted(rows, key=lambda row: (-len(row.context), row.context))
            for start in range(0, len(ordered), at_once):
                yield _levelled(ordered[start : start + at_once])

    def _open(self, rows: list[_Row], lesions: Sequence[Lesion], kind: str) -> _Group:
        """Run what all lesions share: the contexts, the donors' activations, the intact blocks."""
        context = self.reader.read([row.context for row in rows])
        group = _Group(rows, context, self.reader.tensor([row.ids for row in rows]))
        wanted: dict[int, set[int]] = defaultdict(set)
        for lesion in lesions:
            for layer, units in lesion.by_layer().items():
                wanted[layer].update(units)
        if kind == "corrupted":
            donors = self.reader.tensor([row.donor for row in rows])
            self._keep_donors(group, donors, wanted)
        self._keep_blocks(group, {lesion.lowest for lesion in lesions if lesion.units})
        return group

    def _keep_donors(
        self, group: _Group, ids: torch.Tensor, wanted: Mapping[int, set[int]]
    ) -> None:
        """Activations of the wanted units in the intact run on the other prompts."""
        layers = sorted(wanted)
        columns = {layer: sorted(wanted[layer]) for layer in layers}
        picks = {layer: self._dimensions(columns[layer]) for layer in layers}
        if not layers:
            return
        context = self.reader.fork(group.context)
        at = self.reader.offset(context)
        with torch.no_grad(), self.reader.trace(context, ids) as tracer:
            values = nnsight.save([])
            for layer in layers:
                value = self.model.module(self.site, layer).get()[:, at:]
                values.append(value[:, :, picks[layer].to(value.device)].clone())
            tracer.stop()
        group.donors = dict(zip(layers, values, strict=True))
        group.columns = {
            layer: {unit: place for place, unit in enumerate(columns[layer])} for layer in layers
        }

    def _keep_blocks(self, group: _Group, lowest: set[int]) -> None:
        """Outputs of the blocks that lesions may start above: those just below a lowest edit."""
        layers = sorted({layer - 1 for layer in lowest if layer > 0})
        if not layers or not self.reader.caches:
            return  # without a cache the whole sequence is run, and blocks hold other positions
        context = self.reader.fork(group.context)
        with torch.no_grad(), self.reader.trace(context, group.ids) as tracer:
            values = nnsight.save([])
            for layer in layers:
                block = self.model.module("block_output", layer)
                values.append(block.get().detach().clone())
            packed = nnsight.save(isinstance(block.envoy.output, tuple | list))
            tracer.stop()
        group.blocks = dict(zip(layers, values, strict=True))
        group.blocks_are_tuples = bool(packed)

    # Batches

    def _lesions_at_once(self, group: _Group) -> int:
        rows, length = group.ids.shape
        seen = group.context.ids.shape[1]
        run = length if group.context.cache is not None else seen + length
        kept = _scored(group.rows)
        logits = self.model.vocabulary_size * max(1, kept)
        by_memory = self.budget.rows(self._bytes_per_row(group))
        at_once = min(self.batch_tokens // run, MAX_LOGITS // logits, by_memory)
        return max(1, at_once // rows)

    def _bytes_per_row(self, group: _Group) -> int:
        """What a row holds while it runs, measured on the tensors of its group."""
        total = sum(value.nbytes for value in group.donors.values())
        total += sum(value.nbytes for value in group.blocks.values())
        if group.context.cache is not None:
            for layer in group.context.cache.layers:
                if layer.keys is not None:
                    total += layer.keys.nbytes + layer.values.nbytes
        return total // len(group.rows) + 4 * self.model.vocabulary_size * _scored(group.rows)

    def _run(
        self, group: _Group, lesions: list[Lesion], kind: str, means: np.ndarray | None
    ) -> np.ndarray | None:
        """[lesions, rows, scores] of one batch; None if memory ran out."""
        try:
            return self._forward(group, lesions, kind, means)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(lesions) == 1:
                raise
        self.batch_tokens = halved(self.batch_tokens, self.model.device)
        self.budget.shrink()
        return None

    def _forward(
        self, group: _Group, lesions: list[Lesion], kind: str, means: np.ndarray | None
    ) -> np.ndarray:
        """Rows are (lesion, item), item fastest."""
        n_rows = len(group.rows)
        device = self.model.device
        rows = torch.arange(n_rows, device=device).repeat(len(lesions))
        context, ids = self.reader.select(group.context, rows), group.ids[rows]
        at, keep = self.reader.offset(context), _scored(group.rows)
        edits = self._edits(group, lesions, kind, means)
        floor = min((lesion.lowest for lesion in lesions if lesion.units), default=0)
        floor = floor if floor - 1 in group.blocks else 0
        below = group.blocks[floor - 1][rows] if floor else None
        packed = group.blocks_are_tuples
        sites = {layer: self.model.module(self.site, layer) for layer in edits}
        with torch.no_grad(), self.reader.trace(context, ids, keep=keep):
            if below is not None:
                for layer in range(floor):
                    self.model.module("block_output", layer).skip(below, returns_tuple=packed)
            for layer in sorted(edits):
                edits[layer].apply(sites[layer], at)
            logits = self.model.nn.output.logits[:, -keep:]
            values = nnsight.save(_read_scores(logits, group.rows, len(lesions), ids.shape[1]))
        scores: np.ndarray = values.cpu().numpy()
        return scores

    def _edits(
        self, group: _Group, lesions: Sequence[Lesion], kind: str, means: np.ndarray | None
    ) -> dict[int, _LayerEdit]:
        """What each layer's rows get, as index lists over (row, dimension)."""
        n_rows = len(group.rows)
        per_layer: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for number, lesion in enumerate(lesions):
            for layer, units in lesion.by_layer().items():
                per_layer[layer].append((number, units))
        edits = {}
        for layer, entries in per_layer.items():
            rows, dimensions, sources, columns = [], [], [], []
            each = torch.arange(n_rows)
            for number, units in entries:
                place = self._dimensions(units)
                donor = self._donor_columns(group, layer, units) if kind == "corrupted" else place
                source = each.repeat_interleave(len(place))
                rows.append(number * n_rows + source)
                sources.append(source)
                dimensions.append(place.repeat(n_rows))
                columns.append(donor.repeat(n_rows))
            index = torch.cat(rows), torch.cat(dimensions)
            if kind == "corrupted":
                value = group.donors[layer]
                where = torch.cat(sources).to(value.device), torch.cat(columns).to(value.device)
                given: torch.Tensor = value[where[0], :, where[1]]  # [edits, length]
            elif kind == "mean":
                assert means is not None
                given = torch.from_numpy(means[layer])[index[1]][:, None]
            else:
                given = torch.zeros(len(index[0]), 1)
            edits[layer] = _LayerEdit(*index, given)
        return edits

    def _dimensions(self, units: Sequence[int]) -> torch.Tensor:
        """The dimensions of the site that hold these units."""
        first = torch.tensor(units, dtype=torch.long)[:, None] * self.size
        return (first + torch.arange(self.size)).reshape(-1)

    def _donor_columns(self, group: _Group, layer: int, units: Sequence[int]) -> torch.Tensor:
        places = [group.columns[layer][unit] for unit in units]
        return self._dimensions(places)


@dataclass(frozen=True)
class _LayerEdit:
    """Values for (row, dimension) pairs at every traced position: [edits, length] or [edits, 1]."""

    rows: torch.Tensor
    dimensions: torch.Tensor
    values: torch.Tensor

    def apply(self, site: UnitSite, at: int) -> None:
        """Within a trace; ``at`` is the first position that is edited."""
        value = site.get().clone()
        device = value.device
        rows, dimensions = self.rows.to(device), self.dimensions.to(device)
        positions = torch.arange(at, value.shape[1], device=device)
        given = self.values.to(device, value.dtype).expand(len(rows), len(positions))
        value[rows[:, None], positions[None, :], dimensions[:, None]] = given
        site.set(value)


def _rows_of(number: int, item: EncodedItem, kind: str) -> list[_Row]:
    """The sequences of one item. Under ``corrupted`` they start where the prompts begin to differ."""
    shared = common_prefix((item.clean, item.corrupted)) if kind == "corrupted" else 0
    if item.incorrect is not None:
        answers: dict[Ids, dict[str, Ids]] = defaultdict(dict)
        for name, answer in zip(DUAL, (item.correct, item.incorrect), strict=True):
            answers[answer[:-1]][name] = answer  # answers that are run alike share a row
        start = len(item.clean) - 1 - shared
        return [
            _Row(
                item=number,
                context=item.clean[:shared],
                ids=item.clean[shared:] + more,
                donor=item.corrupted[shared:] + more,
                scores={
                    name: tuple((start + n, token) for n, token in enumerate(answer))
                    for name, answer in named.items()
                },
            )
            for more, named in answers.items()
        ]
    # Both prompts, each with the other's activations. The token where they begin to differ is scored,
    # too: by the position before it.
    begin = max(0, shared - 1)
    rows = []
    for own, other, name in (
        (item.clean, item.corrupted, "clean_joint"),
        (item.corrupted, item.clean, "corrupted_joint"),
    ):
        whole = own + item.correct
        ids = whole[begin:-1]
        joint = tuple((n, whole[begin + n + 1]) for n in range(len(ids)))
        scores = {name: joint}
        if name == "clean_joint":
            scores["answer"] = joint[-len(item.correct) :]
        rows.append(_Row(number, whole[:begin], ids, (other + item.correct)[begin:-1], scores))
    return rows


def _levelled(rows: list[_Row]) -> list[_Row]:
    """Rows of one whole length, their contexts cut to the shortest of them."""
    shortest = min(len(row.context) for row in rows)
    levelled = []
    for row in rows:
        moved = row.context[shortest:]
        scores = {
            name: tuple((place + len(moved), token) for place, token in pairs)
            for name, pairs in row.scores.items()
        }
        context, ids, donor = row.context[:shortest], moved + row.ids, moved + row.donor
        levelled.append(_Row(row.item, context, ids, donor, scores))
    return levelled


def _scored(rows: Sequence[_Row]) -> int:
    """How many positions at the end of the rows are scored."""
    first = min(place for row in rows for pairs in row.scores.values() for place, _ in pairs)
    return len(rows[0].ids) - first


def _read_scores(
    logits: torch.Tensor, rows: Sequence[_Row], n_lesions: int, length: int
) -> torch.Tensor:
    """float64 [lesions, rows, names]; NaN-padded to the largest number of scores of a row.

    ``logits`` [lesions * rows, kept, vocabulary]: of the last positions of sequences of ``length``.
    """
    kept = logits.shape[1]
    device = logits.device
    log_totals = logits.float().logsumexp(-1)
    widest = max(len(row.scores) for row in rows)
    result = torch.full((n_lesions, len(rows), widest), float("nan"), dtype=torch.float64)
    for place, row in enumerate(rows):
        own = slice(place, None, len(rows))
        for column, pairs in enumerate(row.scores.values()):
            positions = torch.tensor([p - (length - kept) for p, _ in pairs], device=device)
            tokens = torch.tensor([token for _, token in pairs], device=device)
            chosen = logits[own][:, positions, tokens].float() - log_totals[own][:, positions]
            result[:, place, column] = chosen.double().sum(-1).cpu()
    return result
