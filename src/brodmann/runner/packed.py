"""Runs prefix trees as they are: one sequence per lane, a mask by ancestry, positions by depth.

    mask      additive [lanes, 1, nodes, keys]: a node sees its ancestors and itself, in layers with a sliding
              window only the nearest of them
    position  the number of tokens before a node

A tree that goes on from a past runs against the past's keys and values, which are stored once, whatever
number of rows goes on from them. The LM head runs at scored nodes only. Not every architecture takes such a
mask: ``pack_trial`` tries each, ``unrolled`` serves the others.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import nnsight
import numpy as np
import torch

from brodmann.models.module_tree import module_at
from brodmann.runner.cache_trial import new_cache
from brodmann.runner.queries import Answer, Past, Query
from brodmann.runner.ranks.marked import on_all_ranks
from brodmann.runner.taken import Taken
from brodmann.runner.trees import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from brodmann.models.load import LoadedModel
    from brodmann.runner.trees import Tree

FULL, SLIDING = "full_attention", "sliding_attention"
# Attention with a mask has fast kernels for lengths that are multiples of 8, matrix products for those of 64.
_ALIGNED = {"cuda": 64}
# Bytes of masks that are kept of trees that are run again.
_MOST_LAID = 1 << 28


@dataclass(frozen=True)
class _Laid:
    """Where a tree's nodes lie and what they see, as the model takes it."""

    layout: Layout
    ancestry: np.ndarray  # bool [lanes, nodes, keys]
    ids: torch.Tensor
    options: dict[str, Any]  # position ids and masks

    @property
    def size(self) -> int:
        """Bytes, about: of its masks."""
        masks = self.options["attention_mask"]
        every = masks.values() if isinstance(masks, dict) else (masks,)
        return int(sum(mask.nbytes for mask in every) + self.ancestry.nbytes)


@dataclass
class PackedPast(Past):
    """Keys and values of a tree's nodes, [lanes, heads, nodes, width] of each layer."""

    cache: Any
    layout: Layout
    ancestry: np.ndarray  # bool [lanes, nodes, nodes]


class Packed:
    """Runs queries as packs on one model."""

    stays = True

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        path = model.architecture.head
        self.head = module_at(model.hf, path) if path else None
        self.windows = _windows(model)
        self.multiple = _ALIGNED.get(model.device.type, 1)
        self.forward_passes = 0
        self._kept: WeakKeyDictionary[Tree, _Laid] = WeakKeyDictionary()
        self._block_puts_out_tuple: bool | None = None

    @on_all_ranks
    def run(self, query: Query) -> Answer:
        """Everything that is asked, in one forward pass (and one backward pass)."""
        laid = self._laid(query)
        cache = _cache_of(query)
        inputs = {"input_ids": laid.ids}
        options = {**laid.options, "use_cache": cache is not None}
        if cache is not None:
            options["past_key_values"] = cache
        taken = Taken(query, laid.layout)
        # Found before the options are given, as it runs the model.
        packs = query.start is not None and self._blocks_put_out_tuples()
        self.forward_passes += 1
        seen = taken.shown(self.model)
        with self._given(options), self._head_at(taken), _grad(query), seen:
            if len(taken.scored) or query.reads or query.start:
                self._trace(inputs, taken, packs)
            else:
                self._trunk(**inputs, **options)
        taken.put_together()
        answer = taken.answer
        if query.keep:
            answer.past = PackedPast(query.tree, cache, laid.layout, laid.ancestry)
        return answer

    @on_all_ranks
    def narrowed(self, past: Past, nodes: Iterable[int]) -> tuple[Past, np.ndarray]:
        """See ``Engine.narrowed``."""
        assert isinstance(past, PackedPast)
        tree, number = past.tree.narrowed(nodes)
        layout = tree.layout(self.multiple)
        kept = np.flatnonzero(number >= 0)
        # [lanes, length]: where each place's node was; a place without a node repeats one that none sees.
        places, lanes = layout.spread(past.layout.position[kept]), np.arange(layout.lanes)[:, None]
        ancestry = past.ancestry[lanes[:, :, None], places[:, :, None], places[:, None, :]]
        ancestry &= layout.spread(np.ones(len(kept), dtype=bool))[:, None, :]
        cache = copy.copy(past.cache)
        cache.layers = [copy.copy(layer) for layer in past.cache.layers]
        for layer in cache.layers:
            if layer.keys is not None:
                at = torch.from_numpy(lanes), torch.from_numpy(places)
                lane, place = (index.to(layer.keys.device) for index in at)
                layer.keys = layer.keys[lane, :, place].transpose(1, 2)
                layer.values = layer.values[lane, :, place].transpose(1, 2)
        return PackedPast(tree, cache, layout, ancestry), number

    def _laid(self, query: Query) -> _Laid:
        tree, past = query.tree, query.past
        assert past is None or isinstance(past, PackedPast)
        if query.again and tree in self._kept:
            return self._kept[tree]
        layout = tree.layout(self.multiple)
        ancestry = tree.ancestry(layout, None if past is None else past.ancestry)
        options = {
            "position_ids": self._tensor(layout.spread(layout.depth)),
            "attention_mask": self._mask(layout, ancestry, past),
        }
        laid = _Laid(layout, ancestry, self._tensor(layout.spread(layout.tokens)), options)
        held = sum(kept.size for kept in self._kept.values())
        if query.again and held + laid.size <= _MOST_LAID:
            self._kept[tree] = laid
        return laid

    @property
    def _trunk(self) -> torch.nn.Module:
        hf = self.model.hf
        trunk: torch.nn.Module = getattr(hf, hf.base_model_prefix, hf)
        return trunk

    @contextmanager
    def _given(self, options: dict[str, Any]) -> Iterator[None]:
        """Within it, the model is called with ``options``: nnsight would make tensors of masks by type."""

        def add(_: Any, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            return args, {**given, **options}

        handle = self.model.hf.register_forward_pre_hook(add, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(self.model.device)

    def _mask(self, layout: Layout, ancestry: np.ndarray, past: PackedPast | None) -> Any:
        """What the model takes for a mask: a tensor, or one for each type of layer."""
        seen = torch.from_numpy(ancestry).to(self.model.device)
        own = layout.spread(layout.depth)
        keys = own
        if past is not None:
            keys = np.concatenate([past.layout.spread(past.layout.depth), own], axis=1)

        def additive(window: int | None) -> torch.Tensor:
            visible = seen
            if window is not None:
                distance = self._tensor(own)[:, :, None] - self._tensor(keys)[:, None, :]
                visible = seen & (distance < window)
            mask = torch.zeros(visible.shape, dtype=self.model.dtype, device=visible.device)
            return mask.masked_fill_(~visible, torch.finfo(mask.dtype).min)[:, None]

        if isinstance(self.windows, dict):
            return {kind: additive(window) for kind, window in self.windows.items()}
        return additive(self.windows)

    def _trace(self, inputs: dict[str, torch.Tensor], taken: Taken, packs: bool) -> None:
        """Run the model within nnsight, as far up as anything is asked."""
        query, model = taken.query, self.model
        sites = taken.sites(model)
        stops = not len(taken.scored) and not query.keep
        start = query.start
        floor = start.layer if start is not None else 0
        skipped = [model.module("block_output", layer) for layer in range(floor)]
        below = self._spread(start.hidden, taken.layout) if start is not None else None
        with model.nn.trace(inputs) as tracer:
            for block in skipped:
                assert below is not None
                block.skip(below, returns_tuple=packs)
            for place, site in sites:
                taken.touch(place, site)
            if stops:
                tracer.stop()
            elif len(taken.scored):
                logits = model.nn.output.logits
                if self.head is None:
                    logits = logits[taken.at(taken.scored, logits.device)][None]
                taken.score(logits[0])
                taken.differentiate()

    def _spread(self, hidden: torch.Tensor, layout: Layout) -> torch.Tensor:
        """[lanes, length, hidden] of nodes' [nodes, hidden]; 0 where there is no node."""
        size = layout.lanes * layout.length
        spread = torch.zeros((size, hidden.shape[-1]), dtype=hidden.dtype, device=hidden.device)
        spread[torch.from_numpy(layout.flat).to(hidden.device)] = hidden
        return spread.view(layout.lanes, layout.length, -1)

    @contextmanager
    def _head_at(self, taken: Taken) -> Iterator[None]:
        """Within it, the head makes logits of the scored nodes alone: [1, scored, vocabulary].

        Of a single node where none is scored, as the model runs to its end to fill its cache.
        """
        if self.head is None:
            yield
            return
        nodes = taken.scored if len(taken.scored) else np.zeros(1, np.int64)

        def gather(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
            hidden = inputs[0]
            return (hidden[taken.at(nodes, hidden.device)][None], *inputs[1:])

        handle = self.head.register_forward_pre_hook(gather)
        try:
            yield
        finally:
            handle.remove()

    def _blocks_put_out_tuples(self) -> bool:
        """Found by a run of one token."""
        if self._block_puts_out_tuple is None:
            block = self.model.module("block_output", 0).envoy
            ids = torch.zeros((1, 1), dtype=torch.long, device=self.model.device)
            with torch.no_grad(), self.model.nn.trace({"input_ids": ids}) as tracer:
                found = nnsight.save(isinstance(block.output, tuple | list))
                tracer.stop()
            self._block_puts_out_tuple = bool(found)
        return self._block_puts_out_tuple


def _cache_of(query: Query) -> Any | None:
    """The cache that a run fills or goes on from; a past's own stays as it is."""
    if query.past is None:
        from transformers import DynamicCache

        # Of layers that hold all keys, also where windows are sliding: the mask knows the windows.
        return DynamicCache() if query.keep else None
    past = query.past
    assert isinstance(past, PackedPast)
    cache = copy.copy(past.cache)
    cache.layers = [copy.copy(layer) for layer in past.cache.layers]
    return cache


def _grad(query: Query) -> Any:
    return torch.no_grad() if query.gradient is None else torch.enable_grad()


def _windows(model: LoadedModel) -> int | dict[str, int | None] | None:
    """The sliding window of all layers, or those of each type of layer where the model tells them apart.

    A model that has types of layers takes a mask for each of them.
    """
    config = model.hf.config.get_text_config()
    layers = [getattr(layer, "sliding_window", None) for layer in new_cache(model).layers]
    types = getattr(config, "layer_types", None)
    if types:
        window = getattr(config, "sliding_window", None)
        return {kind: window if kind == SLIDING else None for kind in dict.fromkeys(types)}
    return layers[0] if layers else None
