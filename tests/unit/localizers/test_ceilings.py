"""Noise ceilings: simulations whose ceiling is known, closed forms, and what a perfect model comes to."""

from itertools import permutations

import numpy as np
import pytest

from brodmann.localizers import ceilings
from brodmann.localizers.alignment import folds, predict
from brodmann.localizers.ceilings import _halves, between_subjects, other_subjects, split_half

STIMULI, VOXELS = 400, 60


def measured(number, noise, seed=0):
    """(signal [stimuli, voxels], measurements [number, stimuli, voxels]); the signal's SD is 1."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(STIMULI, VOXELS))
    return signal, signal + noise * rng.normal(size=(number, STIMULI, VOXELS))


@pytest.fixture(scope="module")
def fold():
    return folds([str(n) for n in range(STIMULI)], 5, seed=0)


@pytest.mark.parametrize("number", [2, 3, 4, 7])
@pytest.mark.parametrize("noise", [0.5, 2.0])
@pytest.mark.parametrize("way", ["split_half", "between_subjects"])
def test_a_known_ceiling_is_found(fold, number, noise, way):
    """The signal's share of the mean's variance is known; its root is what the signal itself reaches."""
    signal, repeats = measured(number, noise)
    known = np.sqrt(1 / (1 + noise**2 / number))
    more = {"seed": 0} if way == "split_half" else {}
    found = getattr(ceilings, way)(repeats, fold, **more)
    # Estimates of reliability scatter about it, their roots lie below its root.
    estimate = np.sqrt(np.nanmean(found**2))
    assert estimate == pytest.approx(known, abs=0.02)
    mean = repeats.mean(0)
    reached = [np.corrcoef(signal[:, v], mean[:, v])[0, 1] for v in range(VOXELS)]
    assert estimate == pytest.approx(np.mean(reached), abs=0.02)


def test_a_perfect_model_comes_to_one_and_a_half_one_to_a_half(fold):
    """Of features that are the signal; and of those that hold a quarter of its variance, r is halved."""
    signal, repeats = measured(4, 2.0)
    ceiling = split_half(repeats, fold, seed=0)
    features = signal[:, :5]
    whole = predict(features, repeats.mean(0)[:, :5], fold).r / ceiling[:5]
    assert whole.mean() == pytest.approx(1.0, abs=0.05)
    rng = np.random.default_rng(1)
    part = signal + np.sqrt(3) * rng.normal(size=signal.shape)
    quarter = [predict(part[:, [v]], repeats.mean(0)[:, [v]], fold).r[0] for v in range(12)]
    assert np.mean(quarter / ceiling[:12]) == pytest.approx(0.5, abs=0.06)


def test_two_measurements_are_spearman_and_brown_by_either_way(fold):
    _, repeats = measured(2, 1.0)
    r = [
        np.mean([np.corrcoef(*repeats[:, fold == f, v])[0, 1] for f in range(5)])
        for v in range(VOXELS)
    ]
    expected = np.sqrt(2 * np.array(r) / (1 + np.array(r)))
    assert split_half(repeats, fold, seed=0) == pytest.approx(expected)
    assert between_subjects(repeats, fold) == pytest.approx(expected)


def test_noise_has_no_ceiling(fold):
    """Halves that correlate by chance may be above 0 or below; those below have none."""
    noise = np.random.default_rng(0).normal(size=(4, STIMULI, VOXELS))
    found = split_half(noise, fold, seed=0)
    assert 0.2 < np.isnan(found).mean() < 0.8
    assert np.nanmax(found) < 0.6
    constant = np.ones((3, STIMULI, 1))
    assert np.isnan(split_half(constant, fold, seed=0)).all()
    assert np.isnan(between_subjects(constant, fold)).all()


def test_what_differs_between_stories_alone_raises_no_ceiling():
    """As it raises no prediction: both are looked at within the stimuli that are held out together."""
    rng = np.random.default_rng(0)
    groups = [f"story{n // 40}" for n in range(STIMULI)]
    fold = folds(groups, 10, seed=0)
    story = rng.normal(size=10)[np.arange(STIMULI) // 40][:, None]
    repeats = 5 * story + rng.normal(size=(2, STIMULI, VOXELS))
    assert np.mean([np.corrcoef(*repeats[:, :, v])[0, 1] for v in range(VOXELS)]) > 0.9
    assert np.nan_to_num(split_half(repeats, fold, seed=0)).mean() < 0.3


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6])
def test_every_way_to_split_is_taken_once(number):
    size = number // 2
    naive = {
        frozenset([frozenset(order[:size]), frozenset(order[size : 2 * size])])
        for order in permutations(range(number))
    }
    found = [frozenset(map(frozenset, halves)) for halves in _halves(number, 0)]
    assert len(found) == len(naive) and set(found) == naive


def test_of_many_ways_to_split_some_are_drawn():
    drawn = list(_halves(11, 3))
    assert len(drawn) == ceilings.SPLITS and drawn == list(_halves(11, 3))
    assert all(len(a) == len(b) == 5 and not {*a} & {*b} for a, b in drawn)


def test_subjects_with_their_own_voxels_are_predicted_by_the_others(fold):
    """Three subjects see one signal, in other mixtures: a noiseless voxel is predicted, noise is not."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(STIMULI, 3))
    voxels = shared @ rng.normal(size=(3, 12))
    voxels[:, 11] = rng.normal(size=STIMULI)
    subjects = [str(n // 4) for n in range(12)]
    found = other_subjects(voxels, subjects, fold)
    assert found[:11] == pytest.approx(np.ones(11), abs=0.01)
    assert not found[11] > 0.2
    naive = predict(voxels[:, 4:], voxels[:, :4], fold).r
    assert found[:4] == pytest.approx(naive)
