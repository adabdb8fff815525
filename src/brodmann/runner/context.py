"""What a batch of rows has read so far: run once, kept as a KV cache, gone on from many times.

Everything before the last prompt token is the same for all that is asked of a row (both answers, every
edit), and for all rows as long as their tokens are the same. A `Context` holds the keys and values of that
part, computed without autograd. A model that keeps no usable cache reads it again each time: the numbers
are the same, only the work is more. Which models keep one is tried once for each (`cache_trial`).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from brodmann.models.load import LoadedModel
from brodmann.runner import cache_trial
from brodmann.runner.encode import Ids

# Tokens that must be saved for a forward pass of their own: a pass reads all weights, however few its tokens.
WORTH_A_PASS = 128
# Model -> (whether the whole of it is asked to read -> whether its cache works).
_VERDICTS: WeakKeyDictionary[torch.nn.Module, dict[bool, bool]] = WeakKeyDictionary()


@dataclass
class Context:
    """Rows [batch, seen] of tokens that have been read; ``cache`` is None where there is nothing to keep."""

    ids: torch.Tensor
    cache: Any | None

    def __len__(self) -> int:
        return self.ids.shape[0]


class Reader:
    """Runs tokens through a model, going on from a context."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.forward_passes = 0
        self._may_cache = _accepts(model.hf, "use_cache")
        # The model below its LM head; the trial decides whether it fills a cache as the whole does.
        self._trunk = getattr(model.hf, model.hf.base_model_prefix, model.hf)
        # Where the trunk is told, too (Gemma 4), its last blocks run at those positions alone.
        told = self._trunk is not model.hf and _accepts(self._trunk, "logits_to_keep")
        self.keeps_logits = _accepts(model.hf, "logits_to_keep") and not told
        may = cache_trial.may_be_kept(model)
        self.caches = may and self._cache_works()
        if may and not self.caches and self._trunk is not model.hf:
            self._trunk = model.hf
            self.caches = self._cache_works()

    # Contexts

    def tensor(self, rows: Sequence[Ids]) -> torch.Tensor:
        """Rows of equal length on the model's device: int64 [rows, length]."""
        return torch.tensor(rows, dtype=torch.long, device=self.model.device)

    def read(self, rows: Sequence[Ids], *, share: bool = False) -> Context:
        """Read rows of equal length; what all of them begin with is run once, not once a row.

        ``share``: do so however few these tokens are, even if it saves next to nothing.
        """
        ids = self.tensor(rows)
        if not self.caches or not ids.shape[1]:
            return Context(ids, None)
        same = len(rows[0]) if len(set(rows)) == 1 else common_prefix(rows)
        if not share and (len(rows) - 1) * same < WORTH_A_PASS:
            same = 0
        context = Context(ids[:, :same], None)
        if same:
            cache = self._new_cache()
            self._fill(ids[:1, :same], cache)
            cache.batch_repeat_interleave(len(rows))
            context = Context(ids[:, :same], cache)
        return self.extend(context, ids[:, same:])

    def extend(self, context: Context, ids: torch.Tensor) -> Context:
        """The context after reading ``ids`` [batch, more], too; the one given is used up."""
        seen = torch.cat([context.ids, ids], dim=1)
        if not self.caches or not ids.shape[1]:
            return Context(seen, context.cache)
        cache = context.cache if context.cache is not None else self._new_cache()
        self._fill(ids, cache)
        return Context(seen, cache)

    def select(self, context: Context, rows: torch.Tensor) -> Context:
        """A context of its own for some rows, each as often as ``rows`` (int64 [chosen]) names it."""
        forked = self.fork(context)
        if forked.cache is not None:
            for layer in forked.cache.layers:
                if layer.keys is not None:
                    layer.batch_select_indices(rows.to(layer.keys.device))
        return Context(context.ids[rows], forked.cache)

    def fork(self, context: Context) -> Context:
        """A copy that can be read on without touching the original; their past is shared, not copied.

        A cache's layers grow by concatenation, so that the tensors of the past are never written to.
        """
        if context.cache is None:
            return context
        cache = copy.copy(context.cache)
        cache.layers = [copy.copy(layer) for layer in context.cache.layers]
        return Context(context.ids, cache)

    def twice(self, context: Context, ids: torch.Tensor) -> Context:
        """A context of its own for every row of ``context`` two times, all first ones first; it keeps what is
        read next. ``ids`` [batch, more] will be."""
        if context.cache is not None:
            rows = torch.arange(len(context), device=context.ids.device)
            return self.select(context, rows.repeat(2))
        return Context(ids[:, :0].repeat(2, 1), self._new_cache())

    @property
    def forgets(self) -> bool:
        """Whether tokens can be taken back: windows and states do not hold all that was read."""
        return self.caches and all(map(_holds_all, self._new_cache().layers))

    def shortened(self, context: Context, seen: int) -> bool:
        """Forget what ``context`` read beyond ``seen`` tokens; False where its cache does not allow it."""
        layers = context.cache.layers if context.cache is not None else []
        # A model that was stopped at its last unit may not have filled the last layer.
        read = context.ids.shape[1]
        if len(layers) < self.model.n_layers or not all(
            _holds_all(layer) and layer.get_seq_length() == read for layer in layers
        ):
            return False
        for layer in layers:
            # [batch, heads, tokens, width]; what ``crop`` takes differs between versions.
            layer.keys, layer.values = layer.keys[:, :, :seen], layer.values[:, :, :seen]
        context.ids = context.ids[:, :seen]
        return True

    # Traces

    def trace(self, context: Context, ids: torch.Tensor, *, keep: int = 1) -> Any:
        """An nnsight trace of ``ids`` [batch, more] after ``context``, which is used up.

        In it, the first of ``ids`` is at position ``offset(context)`` of every site, and the output has the
        logits of the last ``keep`` positions, if not more.
        """
        self.forward_passes += 1
        inputs = {"input_ids": ids if context.cache is not None else self._whole(context, ids)}
        return self.model.nn.trace(inputs, **self._options(context.cache, keep))

    def offset(self, context: Context) -> int:
        """Where the first new token stands in a trace that goes on from ``context``."""
        return 0 if context.cache is not None else context.ids.shape[1]

    def _whole(self, context: Context, ids: torch.Tensor) -> torch.Tensor:
        return torch.cat([context.ids, ids], dim=1)

    def _options(self, cache: Any | None, keep: int) -> dict[str, Any]:
        options: dict[str, Any] = {"logits_to_keep": keep} if self.keeps_logits else {}
        if cache is not None:
            options |= {"past_key_values": cache, "use_cache": True}
        elif self._may_cache or self.caches:
            options["use_cache"] = False
        return options

    # Running

    def logits(self, context: Context, ids: torch.Tensor, keep: int) -> torch.Tensor:
        """The model's logits of ``ids`` [batch, more] after ``context``, which is used up: the last ``keep``
        positions', if not more."""
        if context.cache is None:
            ids = self._whole(context, ids)
        return self._run(ids, context.cache, keep)

    def _fill(self, ids: torch.Tensor, cache: Any) -> None:
        """Read ``ids`` into a cache, without the LM head: nothing is predicted."""
        with torch.no_grad():
            self._trunk(input_ids=ids, past_key_values=cache, use_cache=True)
        self.forward_passes += 1

    def _run(self, ids: torch.Tensor, cache: Any | None, keep: int = 1) -> torch.Tensor:
        with torch.no_grad():
            output = self.model.hf(input_ids=ids, **self._options(cache, keep))
        self.forward_passes += 1
        logits: torch.Tensor = output.logits
        return logits

    def _new_cache(self) -> Any:
        return cache_trial.new_cache(self.model)

    def _cache_works(self) -> bool:
        """Whether all that is done with caches leaves the logits what they are; tried once for a model."""
        tried = _VERDICTS.setdefault(self.model.hf, {})
        whole = self._trunk is self.model.hf
        if whole not in tried:
            self.caches = True
            tried[whole] = cache_trial.passes(self)
        return tried[whole]


def _accepts(module: torch.nn.Module, option: str) -> bool:
    return option in inspect.signature(module.forward).parameters


def _holds_all(layer: Any) -> bool:
    """Whether a cache's layer keeps every token's keys and values."""
    from transformers.cache_utils import DynamicLayer

    return type(layer) is DynamicLayer


def common_prefix(rows: Sequence[Ids]) -> int:
    """How many tokens all rows begin with, leaving at least one token of each row."""
    first, last = min(rows), max(rows)
    limit = min(len(first), len(last)) - 1
    for place in range(max(0, limit)):
        if first[place] != last[place]:
            return place
    return max(0, limit)
