"""Intervals and paired tests of lesions."""

import numpy as np
import pytest
from scipy.stats import binomtest, wilcoxon

from brodmann.localizers import effects


def test_accuracy_has_wilsons_interval():
    found = effects.accuracy(np.array([1, 1, 0, 1], dtype=float))
    assert (found.n, found.value) == (4, 0.75)
    assert (found.low, found.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert np.isnan(effects.accuracy(np.array([])).value)


def test_perplexity_lies_in_its_interval():
    log_probs, tokens = [-10.0, -30.0, -22.0], [10, 12, 11]
    found = effects.perplexity(log_probs, tokens, seed=0)
    assert found.value == pytest.approx(np.exp(62 / 33))
    assert np.exp(1) <= found.low < found.value < found.high <= np.exp(2.5)
    assert effects.perplexity(log_probs, tokens, seed=0) == found
    # The sign of the answer is known even where a number is too large to be written.
    assert effects.perplexity([-1e5, -1e5], [10, 10], seed=0).value == np.inf


def test_equal_passages_have_no_spread():
    found = effects.perplexity([-10.0, -20.0], [10, 20], seed=0)
    assert found.low == pytest.approx(found.high)


def test_sign_test_is_mcnemars():
    differences = np.array([1] * 9 + [-1] * 2 + [0] * 30)
    assert effects.sign_test(differences) == pytest.approx(binomtest(9, 11).pvalue)
    assert effects.sign_test(np.zeros(5)) == 1


def test_rank_test_is_wilcoxons():
    differences = np.random.default_rng(0).normal(1, 1, 20)
    assert effects.rank_test(differences) == pytest.approx(wilcoxon(differences).pvalue)
    assert effects.rank_test(np.zeros(5)) == 1
    assert effects.rank_test(np.array([0.0, 1.0])) == 1
