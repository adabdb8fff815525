"""What a batch of rows has read so far: run once, kept in a cache, gone on from.

A `Context` holds the keys, values and states of tokens that were run without autograd. A model that keeps no
usable cache reads them again with what follows: the numbers are the same, only the work is more. Which models
keep one is tried once for each (`cache_trial`).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from brodmann.models.load import LoadedModel
from brodmann.runner import cache_trial
from brodmann.runner.encode import Ids
from brodmann.runner.ranks.marked import on_all_ranks

# Model -> whether its cache works.
_VERDICTS: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()


@dataclass
class Context:
    """Rows [batch, seen] of tokens that have been read; ``cache`` is None where there is nothing to keep."""

    ids: torch.Tensor
    cache: Any | None

    @property
    def again(self) -> int:
        """How many of its tokens a run that goes on from it has before the new ones, at every site."""
        return 0 if self.cache is not None else self.ids.shape[1]


class Reader:
    """Runs tokens through a model, going on from a context."""

    def __init__(self, model: LoadedModel, caches: bool | None = None) -> None:
        """``caches``: whether it keeps caches; None to find out whether they work."""
        self.model = model
        self.forward_passes = 0
        self._may_cache = _accepts(model.hf, "use_cache")
        # Where what is below the LM head is told, too (Gemma 4), its last blocks run there alone.
        trunk = getattr(model.hf, model.hf.base_model_prefix, model.hf)
        told = trunk is not model.hf and _accepts(trunk, "logits_to_keep")
        self.keeps_logits = _accepts(model.hf, "logits_to_keep") and not told
        self.caches = cache_works(model) if caches is None else caches
        # What pure recurrences call it.
        own = _accepts(model.hf, "cache_params")
        self._cache_option = "cache_params" if own else "past_key_values"
        self.states = self.caches and cache_trial.has_states(model)

    def tensor(self, rows: Sequence[Ids]) -> torch.Tensor:
        """Rows of equal length on the model's device: int64 [rows, length]."""
        return torch.tensor(rows, dtype=torch.long, device=self.model.device)

    def read(self, rows: Sequence[Ids], *, keep: bool = True) -> Context:
        """Read rows of equal length; equal rows are run once. ``keep``: whether what they come to is kept."""
        ids = self.tensor(rows)
        if not (self.caches and keep) or not ids.shape[1]:
            return Context(ids, None)
        cache = cache_trial.new_cache(self.model)
        places = {row: place for place, row in enumerate(dict.fromkeys(rows))}
        self._run(self.tensor(list(places)), cache, keep=1)
        if len(places) < len(rows):
            _select(cache, torch.tensor([places[row] for row in rows]))
        return Context(ids, cache)

    def logits(self, context: Context, ids: torch.Tensor, keep: int = 1) -> torch.Tensor:
        """The model's logits of ``ids`` [batch, more] after ``context``: the last ``keep`` positions', if not
        more. ``context`` has read ``ids``, too, from then on."""
        whole = torch.cat([context.ids, ids], dim=1)
        logits = self._run(whole if context.cache is None else ids, context.cache, keep)
        context.ids = whole
        return logits

    def trace(self, context: Context, ids: torch.Tensor, *, keep: int = 1) -> Any:
        """An nnsight trace of ``ids`` [batch, more] after ``context``, which is used up.

        In it, the first of ``ids`` is at position ``context.again`` of every site, and the output has the
        logits of the last ``keep`` positions, if not more.
        """
        self.forward_passes += 1
        whole = torch.cat([context.ids, ids], dim=1)
        ids = whole if context.cache is None else ids
        return self.model.nn.trace({"input_ids": ids}, **self._options(context.cache, keep))

    def _run(self, ids: torch.Tensor, cache: Any | None, keep: int) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = self.model.hf(input_ids=ids, **self._options(cache, keep)).logits
        self.forward_passes += 1
        return logits

    def _options(self, cache: Any | None, keep: int) -> dict[str, Any]:
        options: dict[str, Any] = {"logits_to_keep": keep} if self.keeps_logits else {}
        if cache is not None:
            options |= {self._cache_option: cache, "use_cache": True}
        elif self._may_cache or self.caches:
            options["use_cache"] = False
        return options


def _select(cache: Any, rows: torch.Tensor) -> None:
    """Keep these rows of a cache; one that is named twice goes on twice."""
    from transformers.cache_utils import LinearAttentionCacheLayerMixin

    for layer in cache.layers:
        if isinstance(layer, LinearAttentionCacheLayerMixin):
            LinearAttentionCacheLayerMixin.reorder_cache(layer, rows)  # type: ignore[arg-type]
        if getattr(layer, "keys", None) is not None:
            layer.batch_select_indices(rows.to(layer.keys.device))


@on_all_ranks
def cache_works(model: LoadedModel) -> bool:
    """Whether a model's cache may be used: tried once."""
    if model.hf not in _VERDICTS:
        kept = cache_trial.may_be_kept(model)
        _VERDICTS[model.hf] = kept and cache_trial.passes(Reader(model, caches=True))
    return _VERDICTS[model.hf]


def _accepts(module: torch.nn.Module, option: str) -> bool:
    return option in inspect.signature(module.forward).parameters
