"""Pruned checkpoints, loaded with stock code, against the whole model with the same neurons edited."""

import numpy as np
import pytest
import torch
from rounding import assert_same, deviation, rounding
from tiny_models import FAMILIES, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from brodmann.cli import main
from brodmann.errors import UserError
from brodmann.models.load import wrap_model
from brodmann.networks.pruning import kept_neurons, prune, random_kept
from brodmann.runner.edits import edited

IDS = torch.tensor([[60, 70, 80, 90, 100, 110]])
# Their neurons are not a setting, or their code is not stock.
FIXED = ("bloom", "chatglm", "chatglm-batch-first")
NARROWED = [name for name in FAMILIES if name not in FIXED]


def fresh(family):
    return wrap_model(tiny_model(family), tiny_tokenizer(), name=family)


def logits(hf):
    with torch.no_grad():
        return hf(input_ids=IDS).logits[0]


def height(model):
    return np.random.default_rng(0).random((model.n_layers, model.neurons_per_layer))


def reloaded(model, folder):
    model.hf.save_pretrained(folder)
    assert list(folder.glob("*.safetensors"))
    found, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"]
    assert not report["unexpected_keys"]
    return found.eval()


@pytest.mark.parametrize("family", NARROWED)
def test_a_narrower_checkpoint_equals_zeroing(family, tmp_path):
    model = fresh(family)
    intact, kept = logits(model.hf), kept_neurons(height(model), 0.5)
    with edited(model, ~kept, site="mlp_hidden"):
        expected = logits(model.hf)
    size = sum(p.numel() for p in model.hf.parameters())
    assert prune(model, kept)
    assert sum(p.numel() for p in model.hf.parameters()) < size
    assert_same(logits(model.hf), expected)
    assert_same(logits(reloaded(model, tmp_path)), expected)
    assert deviation(intact, expected) > 10 * rounding()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox", "starcoder2", "phi", "granite"])
def test_compensation_holds_removed_neurons_at_their_means(family, tmp_path):
    model = fresh(family)
    kept = kept_neurons(height(model), 0.4)
    means = np.random.default_rng(1).normal(size=kept.shape)
    with edited(model, ~kept, "hold", means, site="mlp_hidden"):
        expected = logits(model.hf)
    assert prune(model, kept, means)
    assert_same(logits(reloaded(model, tmp_path)), expected)


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_zeroed_where_widths_differ(family, tmp_path, monkeypatch):
    from brodmann.networks import pruning

    monkeypatch.setattr(pruning, "WHOLE_FIRST", 1)
    monkeypatch.setattr(pruning, "WHOLE_LAST", 1)
    model = fresh(family)
    kept = kept_neurons(height(model), 0.5, whole_ends=True)
    assert kept[[0, -1]].all() and kept[1].sum() == model.neurons_per_layer / 2
    with edited(model, ~kept, site="mlp_hidden"):
        expected = logits(model.hf)
    assert not prune(model, kept)
    assert_same(logits(reloaded(model, tmp_path)), expected)


def test_the_highest_stay_and_random_ones_are_as_many():
    values = np.array([[3.0, 1.0, 2.0, 5.0], [1.0, 1.0, 1.0, 1.0]])
    kept = kept_neurons(values, 0.5)
    assert kept.tolist() == [[True, False, False, True], [True, True, False, False]]
    assert kept_neurons(np.arange(100.0)[None], 0.29).sum() == 71
    drawn = random_kept(np.tile(kept[:1], (50, 1)), seed=0)
    assert (drawn.sum(1) == 2).all() and len({tuple(row) for row in drawn.tolist()}) > 3


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        ("bloom", {}, "no width of the MLP that could be made smaller"),
        ("gemma", {"means": True}, "has no bias and its configuration cannot give it one"),
    ],
)
def test_what_cannot_be_pruned_is_said(family, arguments, message):
    model = fresh(family)
    kept = kept_neurons(height(model), 0.5)
    means = np.zeros(kept.shape) if arguments else None
    with pytest.raises(UserError, match=message):
        prune(model, kept, means)
    with pytest.raises(UserError, match="above 0 and below 1"):
        kept_neurons(height(model), 1.0)
    with pytest.raises(UserError, match="has 3 layers, of which 5"):
        kept_neurons(height(model), 0.5, whole_ends=True)


def test_a_block_without_the_mlp_of_the_others_is_said():
    """The architecture's path leads nowhere in one block, as where a model mixes kinds of MLPs."""
    model = fresh("llama")
    del model.hf.model.layers[1]._modules["mlp"]
    with pytest.raises(UserError, match="the MLP of an architecture like llama cannot be pruned"):
        prune(model, kept_neurons(height(model), 0.5))


def test_where_nothing_can_be_written_is_found_out_first(tmp_path, capsys):
    """Before the model is looked at, which is none; and nothing is left of the attempt."""
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "hollow").mkdir()
    asked = ["prune", "--model", f"path:{tmp_path}/hollow", "--ratio", "0.1"]
    for place in ("file/pruned", "new/file/pruned"):
        out = tmp_path / place
        code = main([*asked, "--out", str(out)])
        said = capsys.readouterr().err
        expected = "has no config.json" if place.startswith("new") else "cannot be written: "
        assert code == 1 and said.count("\n") == 1 and expected in said
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "hollow"]
