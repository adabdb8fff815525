"""Signals of tiny models of several architectures, against hooks on the modules: not pooled, not padded."""

import numpy as np
import pytest
import torch
from rounding import assert_same

from brodmann.errors import UserError
from brodmann.models.module_tree import find_module
from brodmann.networks import signals as signals_module
from brodmann.networks.extraction import Extractor
from brodmann.networks.signals import FileSignals

ROWS = [(5, 9, 2, 7), (3, 4, 8), (1, 2, 3, 4, 5, 6), (8, 8, 9), (11, 3)]


def hooked(model, site, row):
    """Activations [tokens, layers, units] of one text, by forward hooks."""
    found, handles = {}, []
    for layer, block in enumerate(find_module(model.hf, model.architecture.blocks)):
        module = (
            block
            if site == "block_output"
            else find_module(block, getattr(model.architecture, site))
        )

        def keep(_, inputs, output=None, layer=layer):
            value = inputs[0] if output is None else output
            value = value[0] if isinstance(value, tuple) else value
            found[layer] = value.detach().clone()

        if site == "mlp_hidden":
            handles.append(module.register_forward_pre_hook(keep))
        else:
            handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model.hf(input_ids=torch.tensor([row]))
    for handle in handles:
        handle.remove()
    # Some architectures run with the tokens first.
    values = [
        found[layer].squeeze(0 if found[layer].shape[0] == 1 else 1) for layer in sorted(found)
    ]
    return torch.stack(values, 1).float().numpy()


@pytest.mark.parametrize("site", ["mlp_output", "mlp_hidden", "attention_output", "block_output"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox"])
def test_signals_are_what_the_modules_put_out(models, family, site):
    model = models(family)
    extractor = Extractor(model, site=site, batch_tokens=8)
    assert extractor.layout.n_columns == model.n_layers * model.width(site)
    seen = dict(extractor.runs(ROWS))
    assert sorted(seen) == list(range(len(ROWS)))
    for number, row in enumerate(ROWS):
        expected = hooked(model, site, row)
        assert seen[number].shape == (len(row), extractor.layout.n_columns)
        assert_same(seen[number], expected.reshape(len(row), -1))
        assert_same(extractor.one(row), expected)
    # Units that are left out are no columns, and zero at their places.
    without = ((0, 3), (model.n_layers - 1, 31), (1, 0))
    some = Extractor(model, site=site, without=without)
    expected[:, [0, -1, 1], [3, 31, 0]] = np.nan
    kept = expected.reshape(len(row), -1)
    assert_same(dict(some.runs([row]))[0], kept[:, np.isfinite(kept[0])])
    assert_same(some.one(row), np.nan_to_num(expected))


def test_layers_and_first_tokens_can_be_left_out(models):
    model = models("llama")
    extractor = Extractor(model, layers=[2, 0], drop_first=True)
    expected = hooked(model, "mlp_output", ROWS[0])
    found = extractor.one(ROWS[0])
    assert found.shape == (3, model.n_layers, model.hidden_size)
    assert_same(found[:, [0, 2]], expected[1:, [0, 2]])
    assert not found[:, 1].any()
    with pytest.raises(UserError, match="its layers are 0 to 2"):
        Extractor(model, layers=[0, 3])
    with pytest.raises(UserError, match="did you mean 'mlp_output'"):
        Extractor(model, site="mlp_ouput")


@pytest.mark.parametrize("on_disk", [True, False])
def test_texts_are_concatenated_in_their_order(models, tmp_path, monkeypatch, on_disk):
    if on_disk:
        monkeypatch.setattr(signals_module, "IN_MEMORY", 0)
    model = models("llama")
    extractor = Extractor(model)
    done = []
    with extractor.concatenated(ROWS, tmp_path, done.append) as signals:
        assert isinstance(signals, FileSignals) == on_disk
        found = np.concatenate([block for _, block in signals.blocks()])
    assert sum(done) == len(ROWS) and not list(tmp_path.iterdir())
    alone = [hooked(model, "mlp_output", row).reshape(len(row), -1) for row in ROWS]
    assert_same(found, np.concatenate(alone))


def test_out_of_memory_halves_the_batch(models, monkeypatch):
    model = models("llama")
    extractor = Extractor(model, batch_tokens=100)
    run, sizes = extractor.engine.run, []

    def scarce(query):
        sizes.append(len(query.tree))
        if len(query.tree) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return run(query)

    monkeypatch.setattr(extractor.engine, "run", scarce)
    texts = [(n, 2, 3) for n in range(5, 9)]
    assert sorted(number for number, _ in extractor.runs(texts)) == [0, 1, 2, 3]
    assert sizes == [12, 6, 3, 3, 3, 3]


def test_a_text_without_tokens_has_no_signals(models):
    extractor = Extractor(models("llama"), drop_first=True)
    assert extractor.one((7,)).shape == (0, 3, 32)
    assert [number for number, _ in extractor.runs([(7,), (3, 4)])] == [1]


def test_texts_longer_than_the_table_of_positions_are_refused(models):
    row = tuple(n % 200 for n in range(513))
    with pytest.raises(UserError, match="a text of 513 tokens; the model reads at most 512"):
        Extractor(models("gpt2")).one(row)
    assert Extractor(models("gpt2")).one(row[:512]).shape[0] == 512
    assert Extractor(models("llama")).one(row).shape[0] == 513
