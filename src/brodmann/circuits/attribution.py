"""Attribution: how much each unit carries of what tells the clean from the corrupted problem.

How contributions are estimated, by attribution patching or otherwise, is said in ``circuits/estimators``. The
metric of a dual-answer item is lp(correct) - lp(incorrect), of a single-answer item lp(answer), divided by
the task's contrast (clean_baseline - corrupted_baseline). The gradient flows through both answers, or
(published) through the correct one only. Attribution is the mean over items.

What is computed, all of it exact: one prefix for clean and corrupted prompt; everything before the last
prompt token without autograd, into a KV cache; the clean run without answers, stopped at the last block;
one forward and backward pass over 1 + len(answer) - 1 tokens, one for both answers if each is one token.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import nnsight
import torch

from brodmann.circuits.estimators.interface import Estimator
from brodmann.circuits.estimators.patching import Patching
from brodmann.errors import UserError
from brodmann.models.load import LoadedModel, UnitSite
from brodmann.runner.context import WORTH_A_PASS, Context, Reader, common_prefix
from brodmann.runner.encode import EncodedItem, Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS, CARRIED, MAX_LOGITS, TAIL_SHARE
from brodmann.runner.memory import halved, out_of_memory
from brodmann.sites import COMPONENTS, SITES

BOTH_ANSWERS = "both_answers"
CORRECT_ANSWER = "correct_answer"


@dataclass(frozen=True)
class Contributions:
    """Per item and unit: ``values[component]`` is float32 [items, layers, units], on the host."""

    numbers: list[int]  # which items, as positions in the list that was given
    values: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Tail:
    """One row to be differentiated: what follows the last prompt token, and what is read off its logits.

    ``more`` are the answer's tokens but the last; ``goals`` are (sign, answer) pairs whose
    log-probabilities, summed with their signs, are the metric.
    """

    row: int
    more: Ids
    goals: tuple[tuple[float, Ids], ...]


@dataclass
class Chunk:
    """Items of one prompt length, read up to their last prompt token."""

    numbers: list[int]
    items: list[EncodedItem]
    clean: dict[tuple[str, int], torch.Tensor]  # (site, layer) -> [items, width] at the last token
    corrupted: Context  # all of the corrupted prompts but their last token
    last: torch.Tensor  # that last token, [items, 1]


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
    ) -> None:
        self.model = model
        self.reader = Reader(model)
        # Whether both prompts are read in one pass, where they are few.
        self._joins = self.reader.forgets
        self.components = tuple(components)
        self.gradient = gradient
        self.estimator = estimator or Patching()
        self.batch_tokens = batch_tokens or AUTO_BATCH_TOKENS.get(model.device.type, 2048)
        # In the order in which the model runs them: a trace must ask for them in this order.
        wanted = {COMPONENTS[component] for component in self.components}
        self.sites = [
            model.module(site, layer)
            for layer in range(model.n_layers)
            for site in SITES
            if site in wanted
        ]

    def contributions(
        self,
        task: str,
        items: Sequence[EncodedItem],
        contrast: float = 1.0,
        on_items: Callable[[int], None] | None = None,
    ) -> Iterator[Contributions]:
        """Every aligned item's contributions, batch by batch, in units of the normalised metric.

        ``contrast``: what the metric is divided by. A value that is not finite is an error.
        """
        for numbers in self._batches(items):
            found = self._with_memory(items, numbers)
            for part in found:
                for component, values in part.values.items():
                    values /= contrast
                    _refuse_non_finite(task, part.numbers, values, component)
                if on_items is not None:
                    on_items(len(part.numbers))
                yield part

    def exact_effects(
        self,
        items: Sequence[EncodedItem],
        component: str,
        units: Sequence[tuple[int, int]],
        contrast: float = 1.0,
        on_rows: Callable[[int], None] | None = None,
    ) -> torch.Tensor:
        """The true effect of patching single units, float64 [items, units].

        Metric of the corrupted run in which one unit (layer, index) has its clean activation at the last
        prompt token, less that of the untouched corrupted run. Items must be aligned.
        """
        effects = torch.zeros(len(items), len(units), dtype=torch.float64)
        by_layer: dict[int, list[int]] = defaultdict(list)
        for place, (layer, _) in enumerate(units):
            by_layer[layer].append(place)
        for numbers in self._batches(items):
            chunk = self._open(items, numbers)
            intact = self._metrics(chunk, None)
            for layer, places in by_layer.items():
                site = self.model.module(COMPONENTS[component], layer)
                start = 0
                while start < len(places):
                    some = places[start : start + self._units_at_once(chunk)]
                    patch = _UnitPatch(
                        site,
                        chunk.clean[site.name, layer],
                        [units[place][1] for place in some],
                        self.model.unit_size(component),
                    )
                    found = self._patched(chunk, patch)
                    if found is None:  # out of memory: fewer at a time now
                        continue
                    for column, place in enumerate(some):
                        effects[numbers, place] = found[:, column] - intact[:, 0]
                    if on_rows is not None:
                        on_rows(len(numbers) * len(some))
                    start += len(some)
        return effects / contrast

    # Batches

    def _batches(self, items: Sequence[EncodedItem]) -> Iterator[list[int]]:
        """Aligned items of equal prompt length, long shared prefixes together."""
        lengths: dict[int, list[int]] = defaultdict(list)
        for number, item in enumerate(items):
            if item.aligned:
                lengths[len(item.clean)].append(number)
        for length, numbers in sorted(lengths.items()):
            numbers.sort(key=lambda n: (common_prefix((items[n].clean, items[n].corrupted)), n))
            at_once = max(1, self.batch_tokens // length)
            for start in range(0, len(numbers), at_once):
                yield numbers[start : start + at_once]

    def _with_memory(
        self, items: Sequence[EncodedItem], numbers: list[int]
    ) -> Iterator[Contributions]:
        """The contributions of a batch, in halves where memory does not suffice for the whole."""
        try:
            found = self._attribute(items, numbers)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(numbers) == 1:
                raise
            found = None
        if found is not None:
            yield found
            return
        self.batch_tokens = halved(self.batch_tokens, self.model.device)
        middle = len(numbers) // 2
        yield from self._with_memory(items, numbers[:middle])
        yield from self._with_memory(items, numbers[middle:])

    def _open(self, items: Sequence[EncodedItem], numbers: list[int]) -> Chunk:
        """Read both prompts of a batch; the clean one whole, the corrupted one but for its last token."""
        chosen = [items[number] for number in numbers]
        shared = min(common_prefix((item.clean, item.corrupted)) for item in chosen)
        if shared * len(chosen) < WORTH_A_PASS:
            shared = 0  # to run so few tokens twice costs less than a pass of their own
        prefix = self.reader.read([item.clean[:shared] for item in chosen])
        clean = self.reader.tensor([item.clean[shared:] for item in chosen])
        corrupted = self.reader.tensor([item.corrupted[shared:] for item in chosen])
        both = None
        longer = len(chosen[0].clean) > 1  # there is a context to keep
        if self._joins and longer and 2 * clean.numel() <= self.batch_tokens:
            both = self._read_both(prefix, clean, corrupted)
        if both is None:
            activations = self._clean_activations(self.reader.fork(prefix), clean)
            both = activations, self.reader.extend(prefix, corrupted[:, :-1])
        return Chunk(numbers, chosen, *both, corrupted[:, -1:])

    def _read_both(
        self, prefix: Context, clean: torch.Tensor, corrupted: torch.Tensor
    ) -> tuple[dict[tuple[str, int], torch.Tensor], Context] | None:
        """Clean activations, and the context of the corrupted prompts, in one pass instead of two.

        A pass reads all weights, however few its tokens. None where the model's cache cannot forget the
        corrupted prompts' last token, which is to be run again with gradients.
        """
        rows, ids = len(clean), torch.cat([clean, corrupted])
        context = self.reader.twice(prefix, clean)
        seen = torch.cat([context.ids, ids], dim=1)
        activations = self._clean_activations(context, ids, rows)
        context = Context(seen, context.cache)
        if not self.reader.shortened(context, seen.shape[1] - 1):
            self._joins = False
            return None
        chosen = torch.arange(rows, 2 * rows, device=ids.device)
        return activations, self.reader.select(context, chosen)

    def _clean_activations(
        self, context: Context, ids: torch.Tensor, rows: int | None = None
    ) -> dict[tuple[str, int], torch.Tensor]:
        """[rows, width] of every site at the last token; the model stops at the last of them."""
        sites = self.sites
        with torch.no_grad(), self.reader.trace(context, ids) as tracer:
            values = nnsight.save([])
            for site in sites:
                values.append(site.get()[:rows, -1].detach().clone())
            tracer.stop()
        return {(s.name, s.layer): v for s, v in zip(sites, values, strict=True)}

    # Gradients

    def _attribute(self, items: Sequence[EncodedItem], numbers: list[int]) -> Contributions:
        chunk = self._open(items, numbers)
        # (site, layer) -> [items, width], summed over the tails of each item.
        totals = {
            key: torch.zeros_like(value, dtype=torch.float32) for key, value in chunk.clean.items()
        }
        for tails in self._tails(chunk):
            found = self.estimator.contributions(self, chunk, tails)
            rows = torch.tensor([tail.row for tail in tails])
            for key, values in found.items():
                totals[key].index_add_(0, rows.to(values.device), values)
        return Contributions(numbers, {c: self._by_layer(totals, c) for c in self.components})

    def _by_layer(
        self, totals: dict[tuple[str, int], torch.Tensor], component: str
    ) -> torch.Tensor:
        """[items, layers, units] on the host; a head's contribution is the sum over its dimensions."""
        site = COMPONENTS[component]
        layers = [totals[site, layer].cpu() for layer in range(self.model.n_layers)]
        if (size := self.model.unit_size(component)) > 1:
            layers = [values.unflatten(-1, (-1, size)).sum(-1) for values in layers]
        return torch.stack(layers, dim=1)

    def _goals(self, item: EncodedItem) -> list[tuple[float, Ids]]:
        goals = [(1.0, item.correct)]
        if item.incorrect is not None and self.gradient == BOTH_ANSWERS:
            goals.append((-1.0, item.incorrect))
        return goals

    def _tails(self, chunk: Chunk) -> Iterator[list[Tail]]:
        """The rows to differentiate, those of equal length together; answers share a row if they can."""
        lengths: dict[int, list[Tail]] = defaultdict(list)
        for row, item in enumerate(chunk.items):
            rows: dict[Ids, list[tuple[float, Ids]]] = defaultdict(list)
            for sign, answer in self._goals(item):
                rows[answer[:-1]].append((sign, answer))
            for more, goals in rows.items():
                lengths[len(more)].append(Tail(row, more, tuple(goals)))
        for _, tails in sorted(lengths.items()):
            rows_at_once = self._rows_at_once(chunk, 1 + len(tails[0].more))
            at_once = max(1, rows_at_once // self.estimator.at_once)
            for start in range(0, len(tails), at_once):
                yield tails[start : start + at_once]

    def _rows_at_once(self, chunk: Chunk, tail: int) -> int:
        """Rows of one trace: what they run, the keys and values they carry, and their logits are bounded."""
        length = tail + self.reader.offset(chunk.corrupted)
        carried = chunk.corrupted.ids.shape[1] + tail
        return max(
            1,
            min(
                int(self.batch_tokens * TAIL_SHARE) // length,
                self.batch_tokens * CARRIED // carried,
                MAX_LOGITS // (self.model.vocabulary_size * tail),
            ),
        )

    def start(
        self, chunk: Chunk, tails: list[Tail], repeat: int = 1
    ) -> tuple[Context, torch.Tensor]:
        """The context and the tokens [rows, 1 + more] of the tails' rows, each ``repeat`` times in a row."""
        device = self.model.device
        rows = torch.tensor([tail.row for tail in tails], device=device).repeat_interleave(repeat)
        more = self.reader.tensor([tail.more for tail in tails]).reshape(len(tails), -1)
        ids = torch.cat([chunk.last[rows], more.repeat_interleave(repeat, dim=0)], dim=1)
        return self.reader.select(chunk.corrupted, rows), ids

    def metric_of(self, tails: list[Tail], repeat: int = 1) -> MetricOf:
        """Reads the metrics of the tails' rows, each row ``repeat`` times in a row, off their logits."""
        goals = [tail.goals for tail in tails for _ in range(repeat)]
        return MetricOf(goals, 1 + len(tails[0].more))

    # Measuring

    def _units_at_once(self, chunk: Chunk) -> int:
        """Units that are patched in one batch: each is a row for every item and answer."""
        answers = [answer for item in chunk.items for _, answer in self._goals(item)]
        rows = self._rows_at_once(chunk, max(map(len, answers)))
        return max(1, rows // (len(chunk.items) * (2 if max(map(len, answers)) > 1 else 1)))

    def _patched(self, chunk: Chunk, patch: _UnitPatch) -> torch.Tensor | None:
        """The patched metrics; None if memory ran out."""
        try:
            return self._metrics(chunk, patch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(patch.units) == 1:
                raise
        self.batch_tokens = halved(self.batch_tokens, self.model.device)
        return None

    def _metrics(self, chunk: Chunk, patch: _UnitPatch | None) -> torch.Tensor:
        """The metric of the corrupted run, float64 [items, patched units] (one column if there are none)."""
        columns = len(patch.units) if patch is not None else 1
        totals = torch.zeros(len(chunk.items), columns, dtype=torch.float64)
        for tails in self._tails(chunk):
            context, ids = self.start(chunk, tails, repeat=columns)
            at, keep = self.reader.offset(context), ids.shape[1]
            rows = [tail.row for tail in tails]
            scorer = self.metric_of(tails, repeat=columns)
            with torch.no_grad(), self.reader.trace(context, ids, keep=keep):
                if patch is not None:
                    patch.apply(rows, at)
                values = nnsight.save(scorer.rows(self.model.nn.output.logits).double())
            totals.index_add_(
                0, torch.tensor(rows), values.cpu().unflatten(0, (len(tails), columns))
            )
        return totals


@dataclass(frozen=True)
class _UnitPatch:
    """Gives rows (item, unit), unit fastest, the clean activation of one unit each."""

    site: UnitSite
    clean: torch.Tensor  # [items, width]
    units: list[int]
    size: int  # of a unit: 1, or a head's dimensions

    def apply(self, rows: list[int], at: int) -> None:
        """Within a trace: rows are the items of the traced rows, ``at`` the position to be edited."""
        value = self.site.get().clone()
        place = torch.tensor(self.units * len(rows), device=value.device)[:, None] * self.size
        columns = place + torch.arange(self.size, device=value.device)
        numbers = torch.arange(value.shape[0], device=value.device)[:, None]
        source = torch.tensor(rows, device=value.device).repeat_interleave(len(self.units))
        value[numbers, at, columns] = self.clean.to(value.device)[source[:, None], columns]
        self.site.set(value)


class MetricOf:
    """Reads a batch's metrics off its logits: signed sums of answers' log-probabilities."""

    def __init__(self, goals: Sequence[Sequence[tuple[float, Ids]]], keep: int) -> None:
        self.keep = keep
        flat = [(row, sign, answer) for row, own in enumerate(goals) for sign, answer in own]
        self.rows_of = torch.tensor([row for row, _, _ in flat])
        self.signs = torch.tensor([sign for _, sign, _ in flat])
        self.answers = torch.tensor([answer for _, _, answer in flat])
        self.n_rows = len(goals)

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """[rows]; ``logits`` [rows, at least ``keep``, vocabulary], ending with the last scored position."""
        logits = logits[:, -self.keep :].float()
        device = logits.device
        rows, answers = self.rows_of.to(device), self.answers.to(device)
        chosen = logits[rows].gather(-1, answers[..., None])[..., 0]
        log_probs = (chosen - logits.logsumexp(-1)[rows]).sum(-1) * self.signs.to(device)
        return torch.zeros(self.n_rows, device=device).index_add(0, rows, log_probs)


def _refuse_non_finite(task: str, numbers: list[int], values: torch.Tensor, component: str) -> None:
    finite = torch.isfinite(values).flatten(1).all(1)
    if not bool(finite.all()):
        number = numbers[int((~finite).nonzero()[0])]
        raise UserError.at(
            f"{task}, item {number}",
            f"the attribution of its {component} is not finite",
            "the model's weights or dtype are at fault; try dtype: float32 or bfloat16",
        )
