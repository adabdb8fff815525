"""Pooled activations of texts, in batches of equal length.

Texts of one batch have the same number of tokens, so that there is no padding to mask or to leave out, and
a text's numbers do not depend on what else is in its batch. The model stops at the last site: no logit is
computed. Activations of all tokens are there for one layer at a time, and only pooled ones are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import nnsight
import numpy as np
import torch

from brodmann.errors import UserError, did_you_mean
from brodmann.models.load import LoadedModel
from brodmann.runner.context import Context, Reader
from brodmann.runner.encode import Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS, MOST_POOLED
from brodmann.runner.memory import Budget, halved, out_of_memory
from brodmann.runner.pooling import pool
from brodmann.sites import UNIT_SITES


class Activations:
    """Runs texts through a model and gives the activations of one site in every layer."""

    def __init__(
        self,
        model: LoadedModel,
        *,
        site: str = "block_output",
        batch_tokens: int | None = None,
    ) -> None:
        if site not in UNIT_SITES:
            raise UserError.at("site", f"no site '{site}'", did_you_mean(site, UNIT_SITES))
        self.model = model
        self.reader = Reader(model)
        self.sites = [model.module(site, layer) for layer in range(model.n_layers)]
        self.shape = (model.n_layers, model.width(site))
        self.batch_tokens = batch_tokens or AUTO_BATCH_TOKENS.get(model.device.type, 2048)
        self.budget = Budget(*model.devices)

    def pooled(
        self,
        rows: Sequence[Ids],
        pooling: str,
        on_texts: Callable[[int], None] | None = None,
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """(numbers of texts, float64 [texts, layers, units]), batch by batch; signs are kept."""
        lengths: dict[int, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            lengths[len(row)].append(number)
        for length, numbers in sorted(lengths.items()):
            start = 0
            while start < len(numbers):
                some = numbers[start : start + self._texts_at_once(length)]
                values = self._run([rows[number] for number in some], pooling)
                if values is None:  # out of memory: fewer at a time now
                    continue
                start += len(some)
                yield some, values
                if on_texts is not None:
                    on_texts(len(some))

    def means(self, rows: Sequence[Ids]) -> np.ndarray:
        """float64 [layers, units]: each unit's mean over a text's tokens, then over texts."""
        total = np.zeros(self.shape)
        for _, values in self.pooled(rows, "mean"):
            total += values.sum(0)
        return total / len(rows)

    def _texts_at_once(self, length: int) -> int:
        n_layers, width = self.shape
        kept = 8 * n_layers * width + 64 * length * width
        return max(
            1,
            min(
                self.batch_tokens // length,
                MOST_POOLED // (n_layers * width),
                self.budget.rows(kept),
            ),
        )

    def _run(self, rows: list[Ids], pooling: str) -> np.ndarray | None:
        try:
            return self._forward(self.reader.tensor(rows), pooling)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or len(rows) == 1:
                raise
        self.batch_tokens = halved(len(rows) * len(rows[0]), self.model.device)
        self.budget.shrink()
        return None

    def _forward(self, ids: torch.Tensor, pooling: str) -> np.ndarray:
        sites = self.sites
        nothing = Context(ids[:, :0], None)
        with torch.no_grad(), self.reader.trace(nothing, ids) as tracer:
            values = nnsight.save([])
            for site in sites:
                values.append(pool(site.get().detach(), pooling).cpu())
            tracer.stop()
        return torch.stack(list(values), dim=1).numpy()
