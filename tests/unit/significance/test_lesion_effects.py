"""Intervals and paired tests of lesions."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, wilcoxon

from brodmann.significance import effects

pytestmark = pytest.mark.filterwarnings("error")


def test_accuracy_has_wilsons_interval():
    found = effects.accuracy(np.array([1, 1, 0, 1], dtype=float))
    assert (found.n, found.value) == (4, 0.75)
    assert (found.low, found.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)
    nothing = effects.accuracy(np.array([]))
    assert nothing.n == 0 and np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_items_of_one_unit_are_one_for_wilsons_interval():
    """Of six items of three units, as wide as of three items; units of one item each change nothing."""
    right = np.array([1, 1, 0, 1, 0, 1], dtype=float)
    found = effects.accuracy(right, ["a", "a", "b", "b", "c", "c"])
    expected = binomtest(2, 3).proportion_ci(0.95, method="wilson")
    assert (found.n, found.value) == (6, pytest.approx(2 / 3))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert effects.accuracy(right, list("abcdef")) == effects.accuracy(right)
    every = effects.accuracy(np.ones(4), ["a", "a", "a", "a"])
    expected = binomtest(1, 1).proportion_ci(0.95, method="wilson")
    assert (every.low, every.high) == pytest.approx((expected.low, 1.0))


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
    own = np.array([1] * 9 + [0] * 2 + [1] * 30)
    other = np.array([0] * 9 + [1] * 2 + [1] * 30)
    assert effects.sign_test(own, [other]) == pytest.approx(binomtest(9, 11).pvalue)
    assert effects.sign_test(other, [own]) == pytest.approx(binomtest(9, 11).pvalue)
    assert effects.sign_test(own, [own]) == 1


def test_no_p_of_the_sign_test_is_above_1():
    """Where neither side is right more often, its probabilities may add up to more in the last digit."""
    for n in range(1, 40):
        own = np.array([1.0, 0.0] * n)
        assert 1 - 1e-9 < effects.sign_test(own, [1 - own]) <= 1


def test_sign_test_against_several_is_that_of_all_ways_to_choose_the_own_one():
    """Every item's own choice may be any of its four: all 4^6 ways, written out."""
    right = np.random.default_rng(1).random((4, 6)) < 0.6
    right[0, :5] = True
    sums = np.array([sum(way) for way in itertools.product(*right.T.astype(int))])
    share = {total: np.mean(sums == total) for total in set(sums.tolist())}
    observed = share[right[0].sum()]
    expected = sum(own for own in share.values() if own <= observed * (1 + 1e-7))
    assert effects.sign_test(right[0].astype(float), list(right[1:])) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_sign_test_holds_its_level_against_several(share):
    """One of four alike, on 200 items: at most about 5 % below 0.05, however many items are right."""
    dice = np.random.default_rng(0)
    below = 0
    for _ in range(400):
        right = (dice.random((4, 200)) < share).astype(float)
        below += effects.sign_test(right[0], right[1:]) < 0.05
    assert below / 400 < 0.08


def test_units_are_exchanged_as_a_whole():
    """Of three units with two, three and one item: whose choices are the own ones, in all 3^3 ways."""
    units = ["a", "b", "a", "b", "c", "b"]
    right = np.array([[1, 1, 1, 1, 0, 1], [0, 1, 1, 0, 1, 0], [1, 0, 0, 0, 0, 1]], dtype=float)
    counts = {
        name: [int(sum(row[n] for n in range(6) if units[n] == name)) for row in right]
        for name in "abc"
    }
    sums = [sum(way) for way in itertools.product(*counts.values())]
    share = {total: sums.count(total) / len(sums) for total in sums}
    observed = share[int(right[0].sum())]
    expected = sum(own for own in share.values() if own <= observed * (1 + 1e-7))
    assert effects.sign_test(right[0], list(right[1:]), units) == pytest.approx(expected)
    # One item a unit is the test without units; a single unit is one of three.
    plain = effects.sign_test(right[0], list(right[1:]))
    assert effects.sign_test(right[0], list(right[1:]), list(range(6))) == plain
    assert effects.sign_test(right[0], list(right[1:]), ["a"] * 6) == pytest.approx(1)


@pytest.mark.parametrize("alike", [0.5, 1.0])
def test_the_test_of_units_holds_its_level(alike):
    """Two choices of each item that are right or wrong together, always or half of the time."""
    dice, below = np.random.default_rng(1), 0
    units = np.repeat(np.arange(60), 2).tolist()
    for _ in range(300):
        shared, own = dice.random((2, 60, 1)), dice.random((2, 60, 2))
        right = (np.where(dice.random((2, 60, 1)) < alike, shared, own) < 0.7).astype(float)
        first, second = right.reshape(2, -1)
        below += effects.sign_test(first, [second], units) < 0.05
    assert below / 300 < 0.08


def test_rank_test_is_wilcoxons():
    differences = np.random.default_rng(0).normal(1, 1, 20)
    nothing = np.zeros(20)
    assert effects.rank_test(differences, [nothing]) == pytest.approx(wilcoxon(differences).pvalue)
    # What both have in common is no difference.
    common = np.random.default_rng(1).normal(5, 2, 20)
    found = effects.rank_test(common + differences, [common])
    assert found == pytest.approx(wilcoxon(differences).pvalue)
    others = [differences, nothing]
    assert effects.rank_test(nothing, others) == pytest.approx(wilcoxon(-differences / 2).pvalue)
    assert effects.rank_test(nothing, [nothing]) == 1
    assert effects.rank_test(np.array([0.0, 1.0]), [np.zeros(2)]) == 1


def test_what_all_others_are_exactly_is_no_difference_however_their_mean_is_rounded():
    """The mean of three equal numbers may differ from them in its last digit, which has no rank."""
    values = np.random.default_rng(0).uniform(1, 6, 200)
    assert effects.rank_test(values, [values] * 3) == 1
    # Only 12 passages differ, all in one direction: 2 of 2^12 choices of signs are as far from the middle.
    other = values.copy()
    other[:12] -= np.arange(1, 13)
    assert effects.rank_test(values, [other] * 3) == pytest.approx(2 / 2**12)


@pytest.mark.parametrize("n_items", [7, 100, 1000])
def test_signed_ranks_of_shares_are_those_of_their_counts(n_items):
    """Many differences of shares are equal, and hardly any two have the same last digit."""
    dice = np.random.default_rng(n_items)
    first, second = dice.integers(0, 8, 20), dice.integers(0, 6, (3, 20))
    lost = [np.round(counts / n_items, 10) for counts in second]
    found = effects.signed_ranks(0.9 - (0.9 - first / n_items), np.mean(lost, axis=0))
    exact = 3 * first - second.sum(0)
    assert len(set(abs(exact))) < 15
    assert found == pytest.approx(wilcoxon(exact[exact != 0]).pvalue)


def test_small_differences_have_ranks_and_what_is_infinite_the_highest():
    first = np.array([3.0 + 2e-6, 3.0 - 1e-6, 3.0 + 3e-6, 3.0 + 4e-6])
    # W is 1 at most in 2 of 16 choices of signs, and as far above the middle in 2.
    assert effects.signed_ranks(first, np.full(4, 3.0)) == pytest.approx(4 / 2**4)
    small = np.array([1.0, 3.0, 4.0, 9.0]) / 2**40  # whatever the unit is
    assert effects.signed_ranks(small, np.zeros(4)) == pytest.approx(2 / 2**4)
    # Below: rank 1 of 6; the two that share the ranks 5 and 6 are above.
    first = np.array([np.inf, 1.0, 2.0, 5.0, np.inf, 4.0])
    second = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    ranks = np.array([5.5, -1, 2, 3, 5.5, 4])
    assert effects.signed_ranks(first, second) == pytest.approx(wilcoxon(ranks).pvalue)
    # Of two that are infinite nobody knows which is larger.
    endless = np.array([np.inf, np.inf])
    assert np.isnan(effects.signed_ranks(endless, endless))
    assert effects.signed_ranks(np.array([]), np.array([])) == 1
