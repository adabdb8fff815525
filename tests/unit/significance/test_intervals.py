"""Intervals and false discovery rates: against order statistics and formulas written out."""

import numpy as np
import pytest

from brodmann.significance import effects
from brodmann.significance.fdr import q_values, with_q
from brodmann.significance.intervals import interval, of_mean, of_ratio


def quantile(values, share):
    """Hyndman and Fan's seventh kind: a line between two order statistics."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (place - below) * (values[above] - values[below])


def test_an_interval_holds_95_percent_of_what_is_finite():
    replicates = np.append(np.random.default_rng(0).permutation(201), [np.nan, np.inf, -np.inf])
    assert interval(replicates) == pytest.approx((5, 195))
    assert interval(np.array([3.0, np.nan, 1.0])) == pytest.approx((1.05, 2.95))
    assert np.isnan(interval(np.array([3.0, np.nan]))).all()


@pytest.mark.parametrize("undefined", [0, 1, 24, 25, 999, 1000])
def test_ratios_without_a_denominator_may_be_anything(undefined):
    """In the place of each stands a number beyond the lower end, then one beyond the upper end."""
    replicates = np.random.default_rng(1).normal(size=1000)
    low, high = (np.where(np.arange(1000) < undefined, end, replicates) for end in (-1e9, 1e9))
    replicates[:undefined] = [(np.nan, np.inf, -np.inf)[n % 3] for n in range(undefined)]
    found = of_ratio(replicates)
    if undefined > 24:  # 2.5 % of 999 steps are 24.975
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx((quantile(low, 0.025), quantile(high, 0.975)))


def test_a_few_ratios_have_an_interval_if_all_are_defined():
    assert of_ratio(np.array([3.0, 1.0])) == pytest.approx((1.05, 2.95))
    assert np.isnan([of_ratio(np.array(few)) for few in ([3.0, np.nan, 1.0], [2.0])]).all()
    assert np.isnan(of_ratio(np.zeros(0))).all()


@pytest.mark.parametrize("seed", [0, 3])
def test_the_interval_of_a_mean_is_that_of_means_drawn_anew(seed):
    values = np.random.default_rng(9).exponential(size=7)
    dice = np.random.default_rng(seed)
    means = [sum(values[n] for n in draw) / 7 for draw in dice.integers(7, size=(1000, 7)).tolist()]
    expected = quantile(means, 0.025), quantile(means, 0.975)
    assert of_mean(values, seed) == pytest.approx(expected)
    if not seed:
        assert of_mean(values) == pytest.approx(expected)
    assert of_mean(np.array([2.0, 2.0])) == (2, 2)
    assert np.isnan(of_mean(values[:1])).all()


def test_the_interval_of_perplexity_is_that_of_passages_drawn_anew():
    """A passage counts by its tokens, and all tokens of it are drawn together."""
    dice = np.random.default_rng(7)
    counts = dice.integers(3, 40, 9).tolist()
    log_probs = (-dice.uniform(1, 4, 9) * counts).tolist()
    drawn = np.random.default_rng(4).integers(0, 9, (1000, 9)).tolist()
    replicates = [
        np.exp(-sum(log_probs[n] for n in draw) / sum(counts[n] for n in draw)) for draw in drawn
    ]
    found = effects.perplexity(log_probs, counts, seed=4)
    # exp of the quantile of the logarithms, not the quantile between two exps.
    logs = np.log(replicates)
    expected = np.exp([quantile(logs, 0.025), quantile(logs, 0.975)])
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.n == 9 and found.value == pytest.approx(np.exp(-sum(log_probs) / sum(counts)))


def benjamini_hochberg(p):
    """q of the i-th smallest of m: the least of p m / rank, over it and all larger ones; at most 1."""
    order = sorted(range(len(p)), key=lambda n: p[n])
    q = [0.0] * len(p)
    least = 1.0
    for rank in range(len(p), 0, -1):
        n = order[rank - 1]
        least = min(least, p[n] * len(p) / rank)
        q[n] = least
    return q


def test_q_is_benjamini_and_hochbergs_over_what_was_tested():
    p = [0.04, 0.001, 0.8, 0.03, 0.02, 0.9]
    assert q_values(np.array(p)) == pytest.approx(benjamini_hochberg(p))
    with_gaps = np.array([0.04, np.nan, 0.001, 0.8, 0.03, np.nan, 0.02, 0.9])
    found = q_values(with_gaps)
    assert np.isnan(found[[1, 5]]).all()
    assert found[[0, 2, 3, 4, 6, 7]] == pytest.approx(benjamini_hochberg(p))
    assert np.isnan(q_values(np.full(3, np.nan))).all() and q_values(np.array([])).size == 0


def test_rows_get_the_q_of_their_column():
    rows = [{"task": "a", "p": 0.02, "p_random": 0.5}, {"task": "b", "p": 0.5}, {"task": "c"}]
    rows.append({"task": "d", "p": None})
    found = with_q(rows)
    assert [row["q"] for row in found[:2]] == pytest.approx([0.04, 0.5])
    assert np.isnan([row["q"] for row in found[2:]]).all()
    assert [row["task"] for row in found] == ["a", "b", "c", "d"]
    other = with_q(rows, p="p_random", q="q_random")
    assert other[0]["q_random"] == 0.5 and np.isnan(other[1]["q_random"]) and "q" not in other[0]
