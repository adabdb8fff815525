"""Trained against untrained models: plain loops over the tasks that both have must give the same numbers."""

import numpy as np
import pandas as pd
import pytest

from brodmann.statistics.untrained import EVERY, beside, excess_interval

DOMAINS = ["language"] * 4 + ["formal"] * 5 + ["social"] * 3
TASKS = [f"{domain}/{number}" for number, domain in enumerate(DOMAINS)]


def matrix(seed, within, tasks=TASKS):
    """Overlaps of about 0.1, and of ``within`` more inside domains; symmetric."""
    domains = np.array([task.partition("/")[0] for task in tasks])
    noise = np.random.default_rng(seed).normal(0, 0.02, (len(tasks), len(tasks)))
    values = 0.1 + within * (domains[:, None] == domains[None, :]) + (noise + noise.T) / 2
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, tasks, tasks)


def naive_gap(values, domains, domain=EVERY):
    """Mean within less mean across, cell by cell; of one domain, across is what has one task in it."""
    within, cross = [], []
    for one in range(len(domains)):
        for other in range(len(domains)):
            inside = [domains[one] == domain, domains[other] == domain]
            if one == other or (domain != EVERY and not any(inside)):
                continue
            same = domains[one] == domains[other] if domain == EVERY else all(inside)
            (within if same else cross).append(values[one, other])
    return np.mean(within) - np.mean(cross)


@pytest.mark.parametrize("domain", [EVERY, "formal"])
def test_the_excess_is_that_of_the_common_tasks(domain):
    trained, untrained = matrix(1, 0.3), matrix(2, 0.1)
    # The trained model has a task that the other has not, and the other way round.
    untrained = untrained.drop(index=TASKS[0], columns=TASKS[0])
    trained = trained.drop(index=TASKS[6], columns=TASKS[6])
    common = [task for task in TASKS if task not in (TASKS[0], TASKS[6])]
    names = [task.partition("/")[0] for task in common]
    n_tasks, found = beside(trained, untrained, permutations=200, seed=3)
    one = found[domain]
    own, other = (t.loc[common, common].to_numpy() for t in (trained, untrained))
    assert n_tasks == len(common)
    assert one.n == (len(common) if domain == EVERY else names.count(domain))
    assert one.trained.difference == pytest.approx(naive_gap(own, names, domain))
    assert one.untrained.difference == pytest.approx(naive_gap(other, names, domain))
    assert one.excess == pytest.approx(naive_gap(own - other, names, domain))
    assert one.low < one.excess < one.high and one.low > 0
    rng = np.random.default_rng(3)
    null = [naive_gap(own - other, rng.permutation(names), domain) for _ in range(200)]
    reached = sum(value >= one.excess - 1e-12 for value in null)
    assert one.p == pytest.approx((1 + reached) / 201)


def test_the_interval_of_the_excess_is_that_of_drawn_tasks():
    """A task never meets itself, also where it is drawn twice."""
    own, other = (one.to_numpy() for one in (matrix(1, 0.3), matrix(2, 0.1)))
    apart, dice, found = own - other, np.random.default_rng(6), {EVERY: [], "formal": []}
    for _ in range(1000):
        draw = dice.integers(12, size=12)
        cells = apart[np.ix_(draw, draw)]
        names = np.array(DOMAINS)[draw]
        pairs = draw[:, None] != draw[None, :]
        same = names[:, None] == names[None, :]
        formal = np.add.outer(names == "formal", 1 * (names == "formal"))
        for domain, within, cross in (
            (EVERY, pairs & same, pairs & ~same),
            ("formal", pairs & (formal == 2), pairs & (formal == 1)),
        ):
            if within.any() and cross.any():
                found[domain].append(cells[within].mean() - cells[cross].mean())
    _, compared = beside(matrix(1, 0.3), matrix(2, 0.1), permutations=1, seed=6)
    for domain, values in found.items():
        expected = tuple(np.quantile(values, [0.025, 0.975]))
        assert (compared[domain].low, compared[domain].high) == pytest.approx(expected)
    expected = tuple(np.quantile(found[EVERY], [0.025, 0.975]))
    assert excess_interval(apart, DOMAINS, 6) == pytest.approx(expected)
    assert np.isnan(excess_interval(np.zeros((0, 0)), [], 0)).all()


def test_a_copy_has_no_excess():
    own = matrix(1, 0.3)
    _, found = beside(own, own, permutations=100, seed=0)
    assert found[EVERY].excess == 0 and found[EVERY].low == found[EVERY].high == 0
    assert found[EVERY].p == 1


def test_nothing_in_common_is_nothing_to_compare():
    own = matrix(1, 0.3)
    other = matrix(2, 0.3, ["physical/a", "physical/b"])
    n_tasks, found = beside(own, other, permutations=10, seed=0)
    assert n_tasks == 0 and set(found) == {EVERY} and np.isnan(found[EVERY].excess)


def test_a_single_pair_of_tasks_has_no_interval():
    """Within a domain of two tasks there is one pair, the same in every draw that has it."""
    tasks = ["language/a", "language/b", "formal/c", "formal/d", "formal/e", "social/f"]
    _, found = beside(matrix(1, 0.3, tasks), matrix(2, 0.1, tasks), permutations=20, seed=0)
    two, three, alone = (found[name] for name in ("language", "formal", "social"))
    assert two.excess > 0.1 and np.isnan([two.low, two.high]).all()
    assert three.low < three.excess < three.high and found[EVERY].low < found[EVERY].high
    assert np.isnan([alone.excess, alone.low]).all()
    # Of the three, one pair is known, by one of its two cells.
    excess = (matrix(1, 0.3, tasks) - matrix(2, 0.1, tasks)).to_numpy(copy=True)
    excess[:2, :2] = excess[2:5, 2:5] = np.nan
    excess[3, 2] = 0.2
    assert np.isnan(
        excess_interval(excess, ["language"] * 2 + ["formal"] * 3 + ["social"], 0)
    ).all()
    excess[4, 2] = 0.3
    low, high = excess_interval(excess, ["language"] * 2 + ["formal"] * 3 + ["social"], 0)
    assert low < high
