"""The logit lens and the directions of units, against the model's own modules and numpy."""

import numpy as np
import pytest
import torch
from families.build import tiny
from tiny_mixtures import MIXTURES
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model
from brodmann.runner import lens as lens_module
from brodmann.runner.lens import directions, head_grams, lens

# Gated and not, projections as rows and as columns, grouped heads, a norm after the MLP, biases, a tied head.
FAMILIES = {
    "llama": "model.norm",
    "gpt2": "transformer.ln_f",
    "gpt-neox": "gpt_neox.final_layer_norm",
    "gemma2": "model.norm",
    "bloom": "transformer.ln_f",
}


def effects(model, site, layer):
    """float64 [width, hidden]: what the site's own module makes of each of its inputs alone."""
    module = model.hf.get_submodule(
        f"{model.architecture.blocks}.{layer}.{getattr(model.architecture, site)}"
    )
    inputs = torch.eye(model.width(site), dtype=model.dtype)
    with torch.no_grad():
        return (module(inputs) - module(0 * inputs)).double().numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_unit_s_direction_is_what_its_module_adds(models, family):
    model = models(family)
    units = [(1, 3), (0, 0), (2, model.neurons_per_layer - 1), (1, 0)]
    found, shares = directions(model, "mlp_hidden", units)
    for (layer, unit), vector in zip(units, found, strict=True):
        assert vector == pytest.approx(effects(model, "mlp_hidden", layer)[unit], abs=1e-5)
    assert shares.tolist() == [1, 1, 1, 1]
    found, _ = directions(model, "mlp_output", [(1, 3), (0, 0)])
    assert np.argwhere(found).tolist() == [[0, 3], [1, 0]] and found.sum() == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_s_direction_is_the_first_of_its_output_weights(models, family):
    model = models(family)
    units = [(2, 1), (0, 3), (2, 0)]
    found, shares = directions(model, "heads", units)
    grams = head_grams(model, units)
    rng = np.random.default_rng(0)
    for row, (layer, head) in enumerate(units):
        own = effects(model, "heads", layer)[head * model.head_dim : (head + 1) * model.head_dim]
        left, sizes, _ = np.linalg.svd(own.T)
        assert abs(found[row] @ left[:, 0]) == pytest.approx(1, abs=1e-4)
        assert found[row][np.abs(found[row]).argmax()] > 0
        assert shares[row] == pytest.approx(sizes[0] ** 2 / (sizes**2).sum(), abs=1e-4)
        given = rng.normal(size=model.head_dim)
        written = np.linalg.norm(given @ own)
        assert (given @ grams[row].numpy() @ given) ** 0.5 == pytest.approx(written, rel=1e-4)


@pytest.mark.parametrize("family", ["openai-gpt", "bert"])
def test_without_a_final_norm_the_head_reads_a_direction_as_it_is(family):
    """Also where the head is more than a matrix."""
    model = wrap_model(tiny(family), tiny_tokenizer(), name="m", wanted=())
    rows = torch.randn(3, model.hidden_size, generator=torch.Generator().manual_seed(1))
    found = lens(model, rows.numpy(), 4)
    head = model.hf.lm_head if family == "openai-gpt" else model.hf.cls
    with torch.no_grad():
        logits = head(rows / rows.square().mean(1, keepdim=True).sqrt()) - head(0 * rows)
    assert found.raised.tolist() == logits.topk(4).indices.tolist()
    assert found.lowered.tolist() == (-logits).topk(4).indices.tolist()
    assert found.raised_by == pytest.approx(logits.topk(4).values.numpy(), abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_lens_is_the_model_s_own_end(family, dtype, monkeypatch):
    """In parts of three directions; one of nothing and one that is not known promote nothing."""
    model = wrap_model(tiny_model(family).to(dtype), tiny_tokenizer(), name=family)
    monkeypatch.setattr(lens_module, "MAX_LOGITS", 3 * model.vocabulary_size)
    rows = np.random.default_rng(1).normal(size=(9, model.hidden_size)).astype(np.float32)
    rows[4], rows[6] = 0, np.nan
    found = lens(model, 7 * rows, 4)
    norm, head = model.hf.get_submodule(FAMILIES[family]), model.hf.get_output_embeddings()
    norm, weight = norm.double(), head.weight.double()
    # What bfloat16 does to the direction and to what the norm puts out; logits are of size 5.
    rounding = 1e-4 if dtype is torch.float32 else 0.1
    for row in (0, 1, 2, 3, 5, 7, 8):
        vector = torch.from_numpy(rows[row]).double()
        vector = vector / vector.square().mean().sqrt()
        with torch.no_grad():
            logits = (norm(vector[None]) - norm(0 * vector[None]))[0] @ weight.T
        logits = logits[: len(model.tokenizer)].numpy()
        for tokens, changes, sign in (
            (found.raised[row], found.raised_by[row], 1),
            (found.lowered[row], found.lowered_by[row], -1),
        ):
            assert changes == pytest.approx(logits[tokens], abs=rounding)
            best = np.sort(-sign * logits)[:4] * -sign
            assert changes == pytest.approx(best, abs=rounding)
    for row in (4, 6):
        assert (found.raised[row] == -1).all() and np.isnan(found.lowered_by[row]).all()


def test_neurons_of_experts_write_as_their_expert_does():
    model = wrap_model(tiny_model(MIXTURES["mixtral"]), tiny_tokenizer(), name="m", wanted=())
    down = model.hf.model.layers[2].mlp.experts.down_proj  # [experts, hidden, neurons]
    size = down.shape[2]
    found, shares = directions(model, "mlp_hidden", [(2, 5), (2, size + 1)])
    assert np.array_equal(found, torch.stack([down[0, :, 5], down[1, :, 1]]).detach().numpy())
    assert shares.tolist() == [1, 1]
    # Its heads and the dimensions of its residual stream do.
    found, shares = directions(model, "heads", [(0, 1)])
    assert np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-5) and 0 < shares[0] < 1
