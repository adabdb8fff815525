"""A model's signals over texts: the activations of one site at every token, in every chosen layer.

Texts of one batch have the same number of tokens: no padding, no mask, and a text's numbers do not depend on
what else is in its batch. The model stops at the last layer that is asked for: no logit is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nnsight
import numpy as np
import torch

from brodmann.config.networks import NETWORK_SITES
from brodmann.errors import UserError, did_you_mean
from brodmann.models.architecture import learned_positions, require_positions
from brodmann.models.load import LoadedModel
from brodmann.networks.signals import FileSignals, Layout, Signals, scratch
from brodmann.runner.bench import Bench
from brodmann.runner.context import Context, Reader
from brodmann.runner.encode import Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS
from brodmann.runner.memory import Budget, halved, out_of_memory

# float32 values of a batch: 256 MiB.
_MOST_KEPT = 1 << 26


class Extractor:
    """Runs texts through a model and gives one site's activations, token by token."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        site: str = "mlp_output",
        layers: Sequence[int] | None = None,
        drop_first: bool = False,
        batch_tokens: int | None = None,
    ) -> None:
        if site not in NETWORK_SITES:
            raise UserError.at(
                "networks.site", f"no site '{site}'", did_you_mean(site, NETWORK_SITES)
            )
        layers = tuple(range(model.n_layers)) if layers is None else tuple(sorted(layers))
        if layers[-1] >= model.n_layers:
            raise UserError.at(
                "networks.layers",
                f"{model.name} has no layer {layers[-1]}",
                f"its layers are 0 to {model.n_layers - 1}",
            )
        self.model = model
        self.reader = Reader(model)
        self.sites = [model.module(site, layer) for layer in layers]
        self.layout = Layout(model.n_layers, layers, model.width(site))
        self.first = int(drop_first)
        self.batch_tokens = batch_tokens or AUTO_BATCH_TOKENS.get(model.device.type, 2048)
        self.budget = Budget(model.device)
        self._positions = learned_positions(model.hf)

    @classmethod
    def of(cls, bench: Bench) -> Extractor:
        """Of a study's networks, in a pass over one of its models."""
        wanted = bench.study.networks.extraction()
        found = cls(
            bench.model,
            site=wanted["site"],
            layers=wanted["layers"],
            drop_first=wanted["drop_first"],
            batch_tokens=bench.batch_tokens,
        )
        bench.counted(found.reader)
        return found

    def tokens(self, row: Ids) -> int:
        """How many tokens of a text are kept."""
        return len(row) - self.first

    def one(self, row: Ids) -> np.ndarray:
        """A single text's activations: float32 [tokens, layers of the model, units]; perhaps no token."""
        if self.tokens(row) < 1:
            return self.layout.place(np.zeros((0, self.layout.n_columns), np.float32))
        [(_, values)] = self.runs([row])
        return self.layout.place(values[0])

    def runs(
        self, rows: Sequence[Ids], on_texts: Callable[[int], None] | None = None
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """(numbers of texts, float32 [texts, tokens, columns]), batch by batch."""
        longest = max(map(len, rows), default=0)
        require_positions(self._positions, longest, "networks.max_tokens", "lower it")
        lengths: dict[int, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            if self.tokens(row) > 0:
                lengths[len(row)].append(number)
        for length, numbers in sorted(lengths.items()):
            start = 0
            while start < len(numbers):
                some = numbers[start : start + self._texts_at_once(length)]
                values = self._run([rows[number] for number in some])
                if values is None:  # out of memory: fewer at a time now
                    continue
                start += len(some)
                yield some, values
                if on_texts is not None:
                    on_texts(len(some))

    @contextmanager
    def concatenated(
        self,
        rows: Sequence[Ids],
        folder: str | Path,
        on_texts: Callable[[int], None] | None = None,
    ) -> Iterator[Signals]:
        """All texts' signals, one after another in their order; on disk in ``folder`` if they are many."""
        ends = np.cumsum([self.tokens(row) for row in rows])
        with scratch(int(ends[-1]), self.layout, folder) as signals:
            for numbers, values in self.runs(rows, on_texts):
                for number, value in zip(numbers, values, strict=True):
                    start = int(ends[number]) - len(value)
                    if isinstance(signals, FileSignals):
                        signals.write(start, value)
                    else:
                        signals.values[start : start + len(value)] = value
            yield signals

    def _texts_at_once(self, length: int) -> int:
        kept = length * self.layout.n_columns
        return max(
            1,
            min(
                self.batch_tokens // length,
                _MOST_KEPT // kept,
                self.budget.rows(2 * 4 * kept + 64 * length * self.layout.width),
            ),
        )

    def _run(self, rows: list[Ids]) -> np.ndarray | None:
        try:
            return self._forward(self.reader.tensor(rows))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(rows) == 1:
                raise
        self.batch_tokens = halved(len(rows) * len(rows[0]), self.model.device)
        self.budget.shrink()
        return None

    def _forward(self, ids: torch.Tensor) -> np.ndarray:
        sites, first = self.sites, self.first
        nothing = Context(ids[:, :0], None)
        with torch.no_grad(), self.reader.trace(nothing, ids) as tracer:
            values = nnsight.save([])
            for site in sites:
                values.append(site.snapshot()[:, first:].float().cpu())
            tracer.stop()
        # [texts, tokens, layers, units] -> columns.
        return torch.stack(list(values), dim=2).flatten(2).numpy()
