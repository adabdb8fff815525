"""A model split over two GPUs that do not exist: torch's fake tensors carry devices and no numbers.

Any operation on tensors of two devices is an error, as on real ones: this proves where things are placed,
and nothing about values.
"""

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from test_attribution import ITEMS
from tiny_models import FAMILIES, tiny_tokenizer
from torch._subclasses.fake_tensor import FakeTensorMode

from brodmann.circuits.ablation import KINDS, Ablator, Lesion
from brodmann.circuits.attribution import Attributor
from brodmann.circuits.context import Reader
from brodmann.models.load import wrap_model

FIRST, SECOND = torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture
def split(monkeypatch):
    """The first block (and the embedding) on one device, the others and the head on another."""
    # Its trial compares numbers.
    monkeypatch.setattr(Reader, "_cache_works", lambda self: True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        hf = FAMILIES["llama"]().eval()
        for module in (hf.model.embed_tokens, hf.model.rotary_emb, hf.model.layers[0]):
            module.to(FIRST)
        for module in (*hf.model.layers[1:], hf.model.norm, hf.lm_head):
            module.to(SECOND)
        hf.hf_device_map = {"model.layers.0": 0, "": 1}
        for module in (*hf.model.layers, hf.model.norm, hf.lm_head):
            device = next(module.parameters()).device
            # As dispatch_model does; a cache is left where its layers put it.
            hook = AlignDevicesHook(execution_device=device, skip_keys="past_key_values")
            add_hook_to_module(module, hook)
        yield wrap_model(hf, tiny_tokenizer(), name="split")


def test_inputs_go_to_the_first_device(split):
    assert split.device == FIRST
    assert split.devices == (FIRST, SECOND)


def test_caches_and_gradients_stay_with_their_layers(split):
    attributor = Attributor(split, components=("neurons", "heads"))
    chunk = attributor._open(ITEMS[:2], [0, 1])
    assert {layer: value.device for (_, layer), value in chunk.clean.items()} == {
        0: FIRST,
        1: SECOND,
        2: SECOND,
    }
    caches = [layer.keys.device for layer in chunk.corrupted.cache.layers]
    assert caches == [FIRST, SECOND, SECOND]
    for steps in (0, 2):
        attributor.ig_steps = steps
        found = attributor._attribute(ITEMS[:2], [0, 1])
        assert found.values["neurons"].shape == (2, 3, 48)
        assert found.values["neurons"].device.type == "cpu"


@pytest.mark.parametrize("kind", KINDS)
def test_edits_are_made_where_their_layer_is(split, kind):
    ablator = Ablator(split)
    lesions = [Lesion.of([1, 50, 99], 48), Lesion.of([97], 48)]
    import numpy as np

    means = np.ones((3, 48)) if kind == "mean" else None
    for rows in ablator._row_groups(ITEMS[:2], kind):
        group = ablator._open(rows, lesions, kind)
        for lesion in lesions:  # the second skips blocks: their output comes from the other device
            edits = ablator._edits(group, [lesion], kind, means)
            assert edits
        with torch.no_grad():
            for lesion in lesions:
                ablator._forward(group, [lesion], kind, means)
