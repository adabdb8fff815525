"""Tokens that are chosen one after another, and where they end; folders for weights that wait on disk."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from brodmann.errors import UserError
from brodmann.runner import loading
from brodmann.runner.generation import _choose, _end_tokens


def test_at_temperature_0_the_likeliest_token_is_taken_whatever_the_seed():
    logits = torch.tensor([0.0, 3.0, 2.9], dtype=torch.float64)
    chosen = {_choose(logits, 0, torch.Generator().manual_seed(seed)) for seed in range(20)}
    assert chosen == {1}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_are_drawn_by_their_shares(temperature):
    """Within five standard deviations of a count."""
    logits = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    dice = torch.Generator().manual_seed(0)
    counts = np.bincount([_choose(logits, temperature, dice) for _ in range(2000)], minlength=3)
    shares = np.exp(np.arange(3) / temperature)
    shares /= shares.sum()
    assert (np.abs(counts - 2000 * shares) < 5 * np.sqrt(2000 * shares * (1 - shares))).all()


def test_a_logit_that_is_no_number_is_refused():
    logits = torch.tensor([0.0, float("nan")])
    with pytest.raises(UserError) as refused:
        _choose(logits, 0, torch.Generator())
    assert str(refused.value) == (
        "the model: a logit is not a number (its weights or dtype are at fault; try dtype: float32)"
    )


@pytest.mark.parametrize(
    ("generation", "config", "tokenizer", "ends"),
    [
        ([7, 9], 2, 2, {2, 7, 9}),
        (None, 3, None, {3}),
        (5, None, 4, {4, 5}),
        (None, None, None, set()),
        (None, [1, 8], None, {1, 8}),
    ],
)
def test_a_text_ends_where_the_model_or_its_tokenizer_says(generation, config, tokenizer, ends):
    text = SimpleNamespace(eos_token_id=config)
    hf = SimpleNamespace(
        generation_config=SimpleNamespace(eos_token_id=generation),
        config=SimpleNamespace(get_text_config=lambda: text),
    )
    assert _end_tokens(hf, SimpleNamespace(eos_token_id=tokenizer)) == ends


def test_a_model_without_settings_of_its_own_ends_by_its_tokenizer():
    hf = SimpleNamespace(
        generation_config=None, config=SimpleNamespace(get_text_config=lambda: object())
    )
    assert _end_tokens(hf, SimpleNamespace(eos_token_id=6)) == {6}


# Weights that wait on disk


def test_weights_wait_beside_the_cache_until_the_process_ends(tmp_path, monkeypatch):
    left = []
    monkeypatch.setattr(loading.atexit, "register", lambda *given, **_: left.append(given))
    cache = SimpleNamespace(root=tmp_path / "new" / "cache")
    folder = loading._offload_folder(cache)
    assert folder.startswith(str(tmp_path / "new" / "cache" / "offload-"))
    assert left == [(loading.shutil.rmtree, folder)]


def test_beside_a_cache_that_cannot_be_written_they_wait_among_temporary_files(
    tmp_path, monkeypatch
):
    (tmp_path / "cache").write_text("a file where a folder would be")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(loading.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(loading.atexit, "register", lambda *_, **__: None)
    folder = loading._offload_folder(SimpleNamespace(root=tmp_path / "cache"))
    assert folder.startswith(str(tmp_path / "temporary" / "brodmann-offload-"))


@pytest.mark.parametrize(
    ("parallel", "device", "expected"),
    [("tensor", "cuda", "auto"), ("tensor", "cpu", None), (None, "cuda", None)],
)
def test_one_process_holds_shared_layers_in_turn_on_gpus_alone(
    monkeypatch, parallel, device, expected
):
    """A model whose layers several processes would share, where one process holds them all."""
    monkeypatch.setattr("brodmann.models.placement.find_device", torch.device)
    entry = SimpleNamespace(parallel=parallel, device_map=None)
    assert loading._in_turn(entry, device) == expected
