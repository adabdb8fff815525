"""nnsight's view of a model, for models that are spread over devices or offloaded, too.

Imports nnsight: to be imported when a model is loaded, not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from nnsight import TransformersModel

from brodmann.models.placement import input_device, offloaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class ModelView(TransformersModel):
    """nnsight moves inputs to where the first parameter is, which for offloaded weights is nowhere."""

    @property
    def device(self) -> torch.device:
        """Where inputs belong."""
        return input_device(self._module)


def view_of(hf: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> ModelView:
    """The view; the model stays where it is."""
    # Without a device nnsight would move the model to the first accelerator it finds.
    placed = getattr(hf, "hf_device_map", None) or offloaded(hf)
    place: dict[str, Any] = {} if placed else {"device": hf.device}
    with _map_of_one_device(hf) if placed else nullcontext():
        return ModelView(hf, tokenizer=tokenizer, task="text-generation", **place)


@contextmanager
def _map_of_one_device(hf: PreTrainedModel) -> Iterator[None]:
    """For transformers' pipeline, which nnsight builds: it takes a map's first place for a device."""
    own = getattr(hf, "hf_device_map", None)
    hf.hf_device_map = {"": input_device(hf)}
    try:
        yield
    finally:
        hf.hf_device_map = own
