"""The cache of what rows have read: keys and values of attention, and states of recurrences and convolutions.

Imports transformers: to be imported when a model is run, not before.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin


class Kept(DynamicCache):
    """transformers writes a new state into the memory of the old one. Here it gets memory of its own: the old
    one, which the gradient of what went on from it may need, stays as it was."""

    def update_recurrent_state(
        self, recurrent_states: torch.Tensor, layer_idx: int, state_idx: int = 0, **kwargs: Any
    ) -> torch.Tensor:
        """See ``Cache``."""
        states = self.layers[layer_idx].recurrent_states
        if states[state_idx] is not None:
            states[state_idx] = torch.empty_like(states[state_idx])
        return super().update_recurrent_state(recurrent_states, layer_idx, state_idx, **kwargs)

    def select(self, rows: torch.Tensor) -> None:
        """Keep these rows; one that is named twice goes on twice."""
        for layer in self.layers:
            if isinstance(layer, LinearAttentionCacheLayerMixin):
                LinearAttentionCacheLayerMixin.reorder_cache(layer, rows)
            if getattr(layer, "keys", None) is not None:
                layer.batch_select_indices(rows.to(layer.keys.device))
