"""Log-probabilities of token sequences, batched by equal length.

Rows of one batch have the same number of tokens, so there is no padding, no mask, and a row's numbers do
not depend on what else is in its batch. The LM head is applied only at the positions that are scored. What
many rows begin with (worked examples, a frame) is run once for all of them.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from brodmann.errors import UserError
from brodmann.models.architecture import learned_positions, require_positions
from brodmann.runner.context import Reader, common_prefix
from brodmann.runner.encode import Ids
from brodmann.runner.footprint import AUTO_BATCH_TOKENS, MAX_LOGITS
from brodmann.runner.memory import halved, out_of_memory

# Shared tokens that are worth a forward pass of their own, and rows that are worth a batch of their own.
_WORTH_SHARING = 8
_FAMILY = 4


@dataclass(frozen=True)
class Query:
    """Asks for lp(target | context): the sum of the log-probabilities of the target's tokens."""

    context: Ids
    target: Ids

    @property
    def row(self) -> Ids:
        """The tokens the model must see: all but the last, which is only predicted."""
        return self.context + self.target[:-1]


class Scorer:
    """Runs queries through a model and counts its forward passes."""

    def __init__(
        self,
        model: Any,
        device: torch.device,
        batch_tokens: int | None = None,
        reader: Reader | None = None,
    ) -> None:
        """``reader``: lets rows share what they begin with; without it each row is run whole."""
        self.model = model
        self.device = device
        self.reader = reader if reader is not None and reader.caches else None
        self.batch_tokens = batch_tokens or AUTO_BATCH_TOKENS.get(device.type, 2048)
        self.forward_passes = 0
        self._positions = learned_positions(model)
        # Nearly every architecture of transformers can leave out the logits nobody asked for.
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters

    def log_probabilities(
        self, queries: Sequence[Query], on_batch: Callable[[int], object] | None = None
    ) -> list[float]:
        """lp(target | context) per query, in order; equal rows run once.

        ``on_batch`` is called with the number of queries answered by each batch.
        """
        longest = max((len(query.row) for query in queries), default=0)
        require_positions(self._positions, longest, "texts", "give shorter texts")
        waiting: dict[Ids, list[int]] = defaultdict(list)
        for number, query in enumerate(queries):
            waiting[query.row].append(number)
        buckets: dict[tuple[int, int], list[Ids]] = defaultdict(list)
        for row, numbers in waiting.items():
            keep = max(len(queries[number].target) for number in numbers)
            buckets[len(row), keep].append(row)
        answers = [math.nan] * len(queries)
        families = [
            (length, keep, rows)
            for (length, keep), same in sorted(buckets.items())
            for rows in (_families(same) if self.reader is not None else [same])
        ]
        for length, keep, rows in families:
            start = 0
            while start < len(rows):
                batch = rows[start : start + self._rows_at_once(length, keep)]
                logits = self._logits(batch, keep)
                if logits is None:  # out of memory: the budget is now halved
                    continue
                asked = [(place, n) for place, row in enumerate(batch) for n in waiting[row]]
                sums = _sums_at_end(
                    logits, [(place, queries[number].target) for place, number in asked]
                )
                for (_, number), value in zip(asked, sums, strict=True):
                    answers[number] = value
                start += len(batch)
                if on_batch is not None:
                    on_batch(len(asked))
        return answers

    def _after(self, prefix: Ids, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """Logits of rows ``ids`` that all go on from one prefix."""
        assert self.reader is not None
        before = self.reader.forward_passes
        logits = self.reader.logits(self.reader.read([prefix] * len(ids)), ids, keep)
        self.forward_passes += self.reader.forward_passes - before
        return logits[:, -keep:].float()

    def _rows_at_once(self, length: int, keep: int) -> int:
        vocabulary = int(self.model.config.get_text_config().vocab_size)
        by_logits = MAX_LOGITS // (vocabulary * (keep if self._keeps else length))
        return max(1, min(self.batch_tokens // length, by_logits))

    def _logits(self, rows: list[Ids], keep: int) -> torch.Tensor | None:
        """float32 logits [rows, keep, vocabulary] of the last ``keep`` positions; None on out of memory."""
        options = {"logits_to_keep": keep} if self._keeps else {}
        try:
            ids = torch.tensor(rows, dtype=torch.long, device=self.device)
            shared = min(common_prefix(rows), len(rows[0]) - keep) if self.reader else 0
            if len(rows) > 1 and shared >= _WORTH_SHARING:
                return self._after(rows[0][:shared], ids[:, shared:], keep)
            with torch.inference_mode():
                output = self.model(input_ids=ids, use_cache=False, **options)
            self.forward_passes += 1
            logits: torch.Tensor = output.logits[:, -keep:].float()
            return logits
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(rows) == 1:
                raise UserError.at(
                    "execution",
                    f"not enough memory for a single sequence of {len(rows[0])} tokens",
                    "use a device with more memory, device_map: auto, or a smaller dtype",
                ) from None
        self.batch_tokens = halved(len(rows) * len(rows[0]), self.device)
        return None


def _families(rows: list[Ids]) -> list[list[Ids]]:
    """Rows of equal length, those that share most of their tokens from the start together.

    Few rows are not worth a batch of their own: they stay with the rest.
    """
    ordered = sorted(rows)
    runs = [[ordered[0]]]
    for before, row in pairwise(ordered):
        alike = common_prefix((before, row)) >= max(_WORTH_SHARING, len(row) // 2)
        if alike:
            runs[-1].append(row)
        else:
            runs.append([row])
    rest = [row for run in runs if len(run) < _FAMILY for row in run]
    return [run for run in runs if len(run) >= _FAMILY] + ([rest] if rest else [])


def _sums_at_end(logits: torch.Tensor, asked: list[tuple[int, Ids]]) -> list[float]:
    """Sums of log-probabilities of targets that end where the logits end.

    ``logits``: [rows, keep, vocabulary]; ``asked``: (row, target) pairs. Targets shorter than ``keep``
    are right-aligned; the positions before them do not count.
    """
    keep = logits.shape[1]
    padded = [(0,) * (keep - len(target)) + target for _, target in asked]
    counts = [[n >= keep - len(target) for n in range(keep)] for _, target in asked]
    rows = torch.tensor([row for row, _ in asked], device=logits.device)
    targets = torch.tensor(padded, device=logits.device)
    scored = torch.tensor(counts, device=logits.device)
    chosen = logits[rows[:, None], torch.arange(keep, device=logits.device), targets]
    log_probs = (chosen - logits.logsumexp(-1)[rows]).double()
    # Summed in float64: long answers must not lose digits.
    return log_probs.masked_fill(~scored, 0.0).sum(-1).tolist()
