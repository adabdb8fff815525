"""Where networks end: too few tokens, searches that fail, what was not kept, odd tokenizers."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from brodmann.errors import UserError
from brodmann.networks import ascent, reduction
from brodmann.networks import courses as tracks
from brodmann.networks.consistency import TEMPLATE_IOU, template_iou_table
from brodmann.networks.dataset_texts import require_enough
from brodmann.networks.maps import Networks
from brodmann.networks.page import visible
from brodmann.networks.pieces import Piece, pieces
from brodmann.networks.signals import ArraySignals
from brodmann.networks.standardise import Standardised

# The ascent to the top of ICA's contrast


@pytest.fixture(scope="module")
def white():
    """Three independent signals far from Gaussian, mixed and whitened again [3, samples]."""
    dice = np.random.default_rng(3)
    sources = np.stack(
        [dice.laplace(size=4000), dice.uniform(-1, 1, 4000), dice.laplace(size=4000)]
    )
    mixed = np.array([[1.0, 0.6, 0.2], [0.3, 1.0, -0.5], [-0.4, 0.2, 1.0]]) @ sources
    mixed -= mixed.mean(1, keepdims=True)
    vt = np.linalg.svd(mixed, full_matrices=False)[2]
    return torch.from_numpy(vt * np.sqrt(mixed.shape[1]))


@pytest.fixture(scope="module")
def start(white):
    """A start that is 0.1 radians away from the top in every plane."""
    top, reached, _ = ascent.climb(torch.eye(3, dtype=torch.float64), white, "logcosh")
    assert reached
    plane = torch.tensor([[0, 0.1, 0.1], [-0.1, 0, 0.1], [-0.1, -0.1, 0]], dtype=torch.float64)
    return top, torch.linalg.matrix_exp(plane) @ top


def test_an_ascent_that_is_stopped_early_says_that_it_did_not_arrive(white, start, monkeypatch):
    top, beside = start
    monkeypatch.setattr(ascent, "MAX_ITERATIONS", 1)
    found, reached, iterations = ascent.climb(beside, white, "logcosh")
    assert (reached, iterations) == (False, 1)
    # It has come nearer all the same.
    assert (found - top).norm() < 0.5 * (beside - top).norm()
    torch.testing.assert_close(found @ found.T, torch.eye(3, dtype=torch.float64))


def test_an_ascent_without_a_step_that_climbs_ends_where_it_is(white, start, monkeypatch):
    _, beside = start
    monkeypatch.setattr(ascent, "_HALVINGS", 0)
    found, reached, iterations = ascent.climb(beside, white, "logcosh")
    assert (reached, iterations) == (False, 1) and torch.equal(found, beside)


@pytest.mark.parametrize("number", [2, 3])
def test_a_search_that_fails_once_is_begun_anew_and_arrives(white, start, monkeypatch, number):
    top, beside = start
    search, calls = ascent._line_search, []

    def fails_once(*given):
        calls.append(given)
        return None if len(calls) == number else search(*given)

    monkeypatch.setattr(ascent, "_line_search", fails_once)
    found, reached, _ = ascent.climb(beside, white, "logcosh")
    assert reached and len(calls) > number
    torch.testing.assert_close(found, top, rtol=0, atol=1e-4)


def test_a_direction_that_leads_down_is_replaced_by_the_gradient(white, start, monkeypatch):
    top, beside = start
    direct, calls = ascent._direction, []

    def backwards_once(gradient, curvature, history):
        calls.append(len(history))
        found = direct(gradient, curvature, history)
        return -found if len(calls) == 2 else found

    monkeypatch.setattr(ascent, "_direction", backwards_once)
    found, reached, _ = ascent.climb(beside, white, "logcosh")
    assert reached and calls[1] == 1 and calls[2] == 1  # what was remembered is forgotten
    torch.testing.assert_close(found, top, rtol=0, atol=1e-4)


def test_a_single_component_has_nothing_to_turn():
    one = torch.ones(1, 1, dtype=torch.float64)
    found, reached, iterations = ascent.climb(one, torch.ones(1, 5).double(), "cube")
    assert torch.equal(found, one) and (reached, iterations) == (True, 0)


# The reduction in passes


def made(tokens=60, units=80, seed=1):
    dice = np.random.default_rng(seed)
    return dice.normal(size=(tokens, units)) * dice.lognormal(0, 1, units)


def true_values(values):
    standard = (values - values.mean(0)) / values.std(0)
    return np.linalg.svd(standard, compute_uv=False)


def test_passes_that_end_early_are_said_with_the_residual(monkeypatch, caplog):
    values = made()
    monkeypatch.setattr(reduction, "_MAX_PASSES", 1)
    with caplog.at_level(logging.WARNING):
        found = reduction.reduce(Standardised(ArraySignals.of(values)), 5, how="krylov")
    [line] = caplog.messages
    assert line == f"SVD: residual {found.residual:.1e} after 1 passes over the signals"
    assert found.residual > 1e-6
    # Values within a subspace are never above the true ones.
    assert (found.values.numpy() <= true_values(values)[:5] * (1 + 1e-9)).all()


def test_a_small_subspace_is_begun_anew_from_the_best(monkeypatch):
    values = made()
    monkeypatch.setattr(reduction, "_BLOCKS", 2)
    monkeypatch.setattr(reduction, "_MORE", 2)
    found = reduction.reduce(Standardised(ArraySignals.of(values)), 5, how="krylov")
    np.testing.assert_allclose(found.values.numpy(), true_values(values)[:5], rtol=1e-6)
    assert found.residual <= 1e-6


# Courses of two models


def followed(courses):
    values = np.asarray(courses, dtype=float)
    return tracks.Followed(values, list(range(1, len(values) + 1)))


def test_two_common_stretches_say_nothing_of_connectivity():
    one, other = followed([[1.0, 2.0], [2.0, 1.0]]), followed([[3.0], [5.0]])
    r, stretches = tracks.connectivity_between([one], [other])
    assert stretches == 2 and r.shape == (2, 1) and np.isnan(r).all()
    nothing = tracks.fingerprint([one], [other])
    assert nothing.n_texts == 0 and nothing.rho.shape == (2, 1)
    assert nothing.best[:2] == (-1, -1) and np.isnan(nothing.best[2]) and nothing.close == 0


# What was not kept


def networks(**kept):
    maps = np.zeros((1, 1, 3))
    maps[0, 0] = [5.0, 0.0, -6.0]
    return Networks(maps, np.ones(1), np.ones(1), **kept)


def test_networks_without_filters_have_no_courses():
    with pytest.raises(UserError) as refused:
        networks().courses(np.zeros((4, 1, 3)))
    assert str(refused.value) == "networks: kept without filters, so no time course can be had"


def test_networks_without_their_moments_have_no_course_on_the_group_s_scale():
    own = networks(filters=np.ones((1, 1, 3)))
    with pytest.raises(UserError) as refused:
        own.courses(np.zeros((4, 1, 3)), standardise="group")
    expected = "kept without the mean and SD of the signals that they were found in"
    assert str(refused.value) == f"networks: {expected}"


def test_signals_may_be_taken_as_they_are():
    filters = np.array([[[1.0, 0.0, -2.0]]])
    signals = np.arange(6.0).reshape(2, 1, 3)
    found = networks(filters=filters).courses(signals, standardise="none")
    assert found.tolist() == [[-4.0], [-7.0]]


def test_no_datasets_have_no_templates_in_common():
    found = template_iou_table([], 0.2)
    assert found.empty and list(found.columns) == TEMPLATE_IOU


def test_a_dataset_of_too_few_samples_is_refused_with_what_to_lower():
    settings = SimpleNamespace(group_samples=6, individual_samples=4)
    require_enough(settings, "sea", 10)
    with pytest.raises(UserError) as refused:
        require_enough(settings, "sea", 9)
    assert str(refused.value) == (
        "networks.datasets.sea: 9 samples, 10 are needed "
        "(lower networks.group_samples or networks.individual_samples)"
    )


# Texts


def test_signs_that_hide_are_shown_and_joiners_kept():
    assert (
        visible("a\tb\u200dc\u200ed\u2028")
        == "a\N{RIGHTWARDS ARROW TO BAR}b\u200dc<U+200E>d<U+2028>"
    )


def test_a_decoder_that_changes_what_it_has_said_gives_tokens_names():
    """It spells the second token otherwise once the third is there."""
    said = {1: "he", 2: "he llo", 3: "hello!"}
    tokenizer = SimpleNamespace(
        all_special_ids=[],
        decode=lambda ids, **_: said[len(ids)],
        convert_ids_to_tokens=lambda ids: [f"<{one}>" for one in ids],
    )
    found = pieces(tokenizer, (7, 8, 9))
    assert found == [Piece("he"), Piece(" llo"), Piece("<9>")]
