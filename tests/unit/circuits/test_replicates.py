"""Sums and strongest units of replicates: against their definition, with ties, zeros and damage."""

import numpy as np
import pytest
import torch

from brodmann.circuits import replicates
from brodmann.circuits.masks import SIGNS, strongest
from brodmann.circuits.replicates import (
    Accumulator,
    Strongest,
    half_weights,
    strongest_of_rows,
    strongest_there,
)

UNITS = 2000
RNG = np.random.default_rng(5)


def by_partition(scores, sign, count):
    """The strongest units by a partition of the scores, and a stable sort of what reaches the least."""
    strength = {"positive": scores, "negative": -scores, "absolute": np.abs(scores)}[sign]
    candidates = np.arange(len(strength))
    if count < len(strength):
        least = np.partition(strength, len(strength) - count)[len(strength) - count]
        candidates = np.flatnonzero(strength >= least)
    order = candidates[np.argsort(-strength[candidates], kind="stable")][:count]
    return order[strength[order] > 0]


SCORES = {
    "all different": RNG.normal(size=UNITS),
    "ties at every threshold": RNG.integers(-3, 4, size=UNITS),
    "mostly zeros": RNG.normal(size=UNITS) * (RNG.random(UNITS) < 0.05),
    "zeros of both signs": np.where(RNG.random(UNITS) < 0.5, 0.0, -0.0),
    "negative only": -RNG.random(UNITS) - 0.5,
    "all equal": np.ones(UNITS),
    # Below the smallest normal number, and beyond the largest.
    "tiny and infinite": RNG.choice([1e-45, -1e-45, 1e-40, np.inf, -np.inf, 0.0], size=UNITS),
}


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SCORES)
def test_the_strongest_are_those_of_a_stable_sort(name, dtype, sign):
    scores = SCORES[name].astype(dtype)
    for count in (1, 7, 100, UNITS - 1, UNITS, UNITS + 5):
        found = strongest(scores, sign, count)
        assert found.tolist() == by_partition(scores, sign, count).tolist()
        assert found.dtype == np.int64


def test_of_no_units_none_is_the_strongest():
    assert strongest(np.zeros(0, np.float32), "positive", 1).tolist() == []


@pytest.mark.parametrize("sign", SIGNS)
def test_scores_that_are_no_numbers_are_refused(sign):
    scores = SCORES["all different"].astype(np.float32)
    scores[-1] = np.nan
    with pytest.raises(ValueError, match="scores hold NaN"):
        strongest(scores, sign, 3)
    with pytest.raises(ValueError, match="scores hold NaN"):
        Strongest.of(np.stack([np.ones_like(scores), scores]), threads=2)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("percent", [0.05, 5.0, 100.0])
def test_replicates_keep_the_strongest_of_each(percent, threads):
    attributions = np.stack(list(SCORES.values())).astype(np.float32)
    found = Strongest.of(attributions, percent, threads)
    kept = max(1, int(UNITS * percent / 100))
    for sign in ("positive", "negative"):
        assert found.units[sign].dtype == np.int32 and found.scores[sign].dtype == np.float32
        for row, scores in enumerate(attributions):
            best = by_partition(scores, sign, kept)
            lacking = kept - len(best)
            assert found.units[sign][row].tolist() == [*best.tolist(), *[-1] * lacking]
            assert found.scores[sign][row].tolist() == [*scores[best].tolist(), *[0.0] * lacking]
    assert len(Strongest.of(attributions[:0], percent, threads)) == 0


@pytest.mark.parametrize("count", [1, 7, 100, UNITS - 1, UNITS, UNITS + 5])
@pytest.mark.parametrize("at_once", [1, 2 * UNITS, 1 << 24])
def test_a_device_finds_the_strongest_of_the_host(count, at_once, monkeypatch):
    """The device's way, run on the CPU: the same units in the same order, also of equal scores."""
    monkeypatch.setattr(replicates, "_MOST_AT_ONCE", at_once)
    attributions = np.stack([*SCORES.values(), np.full(UNITS, -np.inf)]).astype(np.float32)
    units, scores = strongest_there(torch.from_numpy(attributions), count)
    expected = Strongest.of(attributions, 100 * min(count, UNITS) / UNITS + 1e-9)
    for sign in ("positive", "negative"):
        assert units[sign].dtype == np.int32 and scores[sign].dtype == np.float32
        assert units[sign].tolist() == expected.units[sign].tolist()
        assert scores[sign].tolist() == expected.scores[sign].tolist()
    none, _ = strongest_there(torch.ones(0, UNITS), count)
    assert none["negative"].shape == (0, min(count, UNITS))


def test_a_device_refuses_scores_that_are_no_numbers():
    scores = torch.ones(2, UNITS)
    scores[1, 3] = np.nan
    with pytest.raises(ValueError, match="scores hold NaN"):
        strongest_of_rows(scores, "negative", 3)


def test_a_device_without_room_leaves_it_to_the_host(monkeypatch):
    """Other errors are not hidden."""

    def fails(*_):
        raise error

    monkeypatch.setattr(replicates, "strongest_of_rows", fails)
    error = torch.OutOfMemoryError("out of memory")
    assert strongest_there(torch.ones(2, UNITS), 3) is None
    error = RuntimeError("a kernel is broken")
    with pytest.raises(RuntimeError, match="broken"):
        strongest_there(torch.ones(2, UNITS), 3)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_sums_are_means_over_all_items_at_once(kind):
    contributions = RNG.normal(size=(11, 3, 8)).astype(np.float32)
    weights = half_weights([str(n) for n in range(11)], 2, 0)
    sums = Accumulator(weights, (3, 8))
    for part in ([4, 0], [], [1, 2, 3], [10, 9, 8, 7, 6, 5]):  # of a batch no item may be used
        sums.add(part, kind(contributions[part]))
    assert sums.is_finite and sums.n_items == 11 and sums.mean.dtype == np.float32
    assert np.allclose(sums.mean, contributions.astype(float).mean(0), rtol=1e-6, atol=1e-7)
    expected = np.einsum("ri,ilu->rlu", weights.astype(float), contributions).reshape(4, -1)
    assert sums.replicates.dtype == torch.float32
    assert np.allclose(sums.replicates, expected, rtol=1e-5, atol=1e-6)
    sums.add([0], kind(np.full((1, 3, 8), np.inf, dtype=np.float32)))
    assert not sums.is_finite


def test_no_items_and_no_replicates_are_sums_too():
    sums = Accumulator(np.zeros((0, 2), np.float32), (2, 3))
    assert sums.replicates.shape == (0, 6) and (sums.mean == 0).all()
    sums.add([1], np.ones((1, 2, 3), np.float32))
    assert (sums.mean == 1).all() and sums.replicates.shape == (0, 6)
