"""Fingerprints of tiny models: a model and itself with its units permuted, another, another family, noise."""

import numpy as np
import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from brodmann.models.load import wrap_model
from brodmann.networks.courses import Followed, fingerprint, mean_courses
from brodmann.networks.decompose import decompose
from brodmann.networks.extraction import Extractor
from brodmann.networks.pieces import ends
from brodmann.runner.texts import encode_texts

WORDS = ["the", "ship", "came", "in", "late", "and", "nobody", "saw", "who", "was", "on", "board"]
TEXTS = [" ".join(np.random.default_rng(n).permutation(WORDS)) for n in range(6)]


def permuted(seed=0):
    """A tiny Llama whose residual stream has its dimensions in another order: the same function."""
    model, order = tiny_model("llama", seed), torch.randperm(32, generator=torch.manual_seed(1))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1 or name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.copy_(weight[order].clone())
            else:  # everything else reads the residual stream; embeddings and head are [words, hidden]
                weight.copy_(weight[:, order].clone())
    return model


def followed(hf, noise=0.0):
    """Courses of the networks that are found in a model, over the texts."""
    model = wrap_model(hf, tiny_tokenizer(), name="tiny")
    rows = encode_texts(model.tokenizer, TEXTS)
    extractor = Extractor(model)
    with extractor.concatenated(rows, "unused") as signals:
        networks = decompose(signals, 4, threshold=1.5, restarts=3)
    assert (networks.n_units > 0).all()
    dice = np.random.default_rng(0)
    found = []
    for text, row in zip(TEXTS, rows, strict=True):
        values = extractor.one(row).astype(float)
        values += noise * dice.normal(size=values.shape)
        courses = mean_courses(values, networks.members)
        found.append(Followed(courses, ends(model.tokenizer, text, row)))
    return found


@pytest.fixture(scope="module")
def own():
    return followed(tiny_model("llama"))


def test_a_model_with_permuted_units_is_the_same_model(own):
    ids = torch.arange(40, 60)[None]
    with torch.no_grad():
        first, second = tiny_model("llama")(ids).logits, permuted()(ids).logits
    assert (first - second).abs().max() <= 1e-4
    found = fingerprint(own, followed(permuted()))
    assert found.n_texts == len(TEXTS)
    # Every network has itself over there.
    assert found.rho.max(axis=1) == pytest.approx(np.ones(4), abs=1e-4)
    assert found.best[2] == pytest.approx(1, abs=1e-4) and found.close >= 4


def test_others_are_less_alike(own):
    same = fingerprint(own, followed(permuted())).rho.max(axis=1).mean()
    noisy = fingerprint(own, followed(permuted(), noise=1.0)).rho.max(axis=1).mean()
    other = fingerprint(own, followed(tiny_model("llama", 7))).rho.max(axis=1).mean()
    family = fingerprint(own, followed(tiny_model("gpt2", 3))).rho.max(axis=1).mean()
    dice = np.random.default_rng(5)
    chance = [Followed(dice.normal(size=one.courses.shape), one.ends) for one in own]
    noise = fingerprint(own, chance).rho.max(axis=1).mean()
    assert same > noisy > noise
    assert same > 0.99 and max(other, family) < 0.9 and noise < 0.3
