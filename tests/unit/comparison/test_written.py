"""What neurons write on localized units, against plain loops; and circuits against random neurons."""

import numpy as np
import pytest
import torch

from brodmann.comparison.written import written_rows
from brodmann.runner.writing import promoted, written_share


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox", "gemma2"])
def test_shares_are_those_of_the_write_vectors(models, family):
    """By effect: what the projection adds for one active neuron."""
    model = models(family)
    units = [(0, 1), (0, 5), (1, 2)]
    shares = written_share(model, units)
    assert shares.shape == (model.n_layers, model.neurons_per_layer)
    for layer in range(model.n_layers):
        module = model.module("mlp_hidden", layer).envoy._module
        chosen = [unit for at, unit in units if at == layer]
        with torch.no_grad():
            silent = module(torch.zeros(1, model.neurons_per_layer))[0]
            for neuron in (0, 3, model.neurons_per_layer - 1):
                one = torch.zeros(1, model.neurons_per_layer)
                one[0, neuron] = 1
                vector = (module(one)[0] - silent).double()
                expected = (vector[chosen] ** 2).sum() / (vector**2).sum()
                assert shares[layer, neuron] == pytest.approx(float(expected), abs=1e-5)


def test_all_units_are_all_of_it(models):
    model = models("llama")
    every = [(layer, unit) for layer in range(model.n_layers) for unit in range(model.hidden_size)]
    assert written_share(model, every) == pytest.approx(1.0)
    assert written_share(model, []) == pytest.approx(0.0)


def test_a_circuit_that_writes_on_the_network_is_found():
    rng = np.random.default_rng(0)
    share = rng.random((4, 50)) * 0.1
    share[2, :5] = 0.9
    planted = 2 * 50 + np.arange(5)
    masks = {
        "language/a": planted,
        "formal/b": np.array([3, 60, 170]),
        "social/none": np.array([], int),
    }
    first, second, third = written_rows(share, masks, seed=1)
    assert first["share"] == pytest.approx(0.9)
    assert first["chance"] == pytest.approx(share[2].mean(), abs=0.02)
    assert first["p"] == pytest.approx(1 / 1001) and first["n"] == 5
    # As many random neurons of the same layers: one of each.
    assert second["chance"] == pytest.approx(
        np.mean([share[0].mean(), share[1].mean(), share[3].mean()]), abs=0.01
    )
    assert 0.01 < second["p"] < 0.99
    assert third["n"] == 0 and "share" not in third and np.isnan(third["q"])
    assert first["q"] >= first["p"]
    assert written_rows(share, masks, seed=1)[1] == second


def test_layers_without_a_projection_are_left_out():
    share = np.full((2, 10), 0.5)
    share[0] = np.nan
    [row] = written_rows(share, {"language/a": np.array([1, 12, 15])}, seed=0)
    assert (row["n"], row["share"], row["ratio"]) == (2, 0.5, 1.0)


@pytest.mark.parametrize(
    ("family", "norm"),
    [("llama", "model.norm"), ("gpt2", "transformer.ln_f"), ("gemma2", "model.norm")],
)
def test_a_neuron_promotes_what_the_head_reads_of_its_write_vector(models, family, norm):
    """By effect, through the model's own last modules."""
    model = models(family)
    [found, _] = promoted(model, [(1, 3), (0, 0)], 3)
    assert (found.layer, found.unit) == (1, 3)
    module = model.module("mlp_hidden", 1).envoy._module
    one = torch.zeros(1, model.neurons_per_layer)
    with torch.no_grad():
        silent = module(one)[0]
        one[0, 3] = 1
        vector = module(one)[0] - silent
        vector = vector / vector.square().mean().sqrt()
        last = torch.nn.Sequential(model.hf.get_submodule(norm), model.hf.lm_head)
        logits = last(vector[None])[0] - last(0 * vector[None])[0]
    logits = logits[: len(model.tokenizer)]
    for side, sign in ((found.promotes, 1), (found.suppresses, -1)):
        best = (sign * logits).topk(3)
        assert [token for token, _ in side] == [model.tokenizer.decode([n]) for n in best.indices]
        assert [change for _, change in side] == pytest.approx(
            (sign * best.values).tolist(), rel=1e-3, abs=1e-4
        )
