"""Does overlap predict ablation? The fit against a likelihood of our own, ranks against scipy and loops."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.stats import spearmanr

from brodmann.analysis.structure_function import correlate, mantel, pair_table, regress

TASKS = ["language/a", "language/b", "formal/c", "formal/d", "physical/e", "social/f", "social/g"]


def tables(seed, n=7, slope=0.2, noise=0.05):
    """Overlap and a drop that depends on it, on its source and on its target."""
    rng = np.random.default_rng(seed)
    overlap = rng.random((n, n))
    overlap = (overlap + overlap.T) / 2
    effects = rng.normal(0, 0.1, n)[:, None] + rng.normal(0, 0.05, n)[None, :]
    drop = slope * overlap + effects + rng.normal(0, noise, (n, n))
    names = TASKS[:n]
    return pd.DataFrame(overlap, names, names), pd.DataFrame(drop, names, names)


def naive_pairs(overlap, drop):
    return [
        (a, b, overlap.loc[a, b], drop.loc[a, b])
        for a in overlap.index
        for b in overlap.index
        if a != b
        and a in drop.index
        and b in drop.index
        and np.isfinite([overlap.loc[a, b], drop.loc[a, b]]).all()
    ]


# The regression


def reml(pairs, effects):
    """(slope, SE) by the dense restricted likelihood, maximised over the variance ratios."""
    y = pairs["drop"].to_numpy()
    x = pairs["overlap"].to_numpy()
    design = np.column_stack([np.ones(len(y)), (x - x.mean()) / x.std(ddof=1)])
    shared = [np.equal.outer(pairs[name].to_numpy(), pairs[name].to_numpy()) for name in effects]

    def solve(ratios):
        covariance = np.eye(len(y)) + sum(r * z for r, z in zip(ratios, shared, strict=True))
        factor = cho_factor(covariance)
        information = design.T @ cho_solve(factor, design)
        beta = np.linalg.solve(information, design.T @ cho_solve(factor, y))
        left = y - design @ beta
        variance = left @ cho_solve(factor, left) / (len(y) - 2)
        return factor, information, beta, variance

    def loss(logs):
        factor, information, _, variance = solve(np.exp(logs))
        return (
            (len(y) - 2) * np.log(variance)
            + 2 * np.log(np.diag(factor[0])).sum()
            + np.linalg.slogdet(information)[1]
        )

    starts = [
        minimize(
            loss,
            [start] * len(effects),
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000},
        )
        for start in (-1.0, 1.0)
    ]
    best = min(starts, key=lambda found: found.fun)
    _, information, beta, variance = solve(np.exp(best.x))
    return beta[1], np.sqrt(variance * np.linalg.inv(information)[1, 1])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_coefficient_is_that_of_the_restricted_likelihood(seed):
    pairs = pair_table(*tables(seed))
    found = regress(pairs)
    coefficient, se = reml(pairs, ("source", "target"))
    assert found.converged
    assert found.coefficient == pytest.approx(coefficient, abs=1e-4)
    # statsmodels takes the SE from the Hessian in all parameters, variances included.
    assert found.se == pytest.approx(se, rel=0.1)
    assert found.low == pytest.approx(found.coefficient - 1.95996 * found.se, abs=1e-6)
    assert found.high == pytest.approx(found.coefficient + 1.95996 * found.se, abs=1e-6)


def test_missing_pairs_do_not_upset_it():
    overlap, drop = tables(3)
    drop.iloc[0, 1:5] = np.nan
    overlap.iloc[2, 5] = np.nan
    pairs = pair_table(overlap, drop)
    assert len(pairs) == 42 - 5
    expected = reml(pairs, ("source", "target"))[0]
    assert regress(pairs).coefficient == pytest.approx(expected, abs=1e-4)


def test_models_get_an_intercept_of_their_own_when_pooled():
    parts = []
    for model, shift in (("a", 0.0), ("b", 0.3), ("c", -0.2)):
        overlap, drop = tables(ord(model), n=6)
        # A model with more overlap is not one with larger drops: the intercept takes that up.
        parts.append(pair_table(overlap - shift, drop + shift).assign(model=model))
    pooled = pd.concat(parts)
    expected = reml(pooled, ("source", "target", "model"))[0]
    assert regress(pooled).coefficient == pytest.approx(expected, abs=1e-4)
    without = reml(pooled, ("source", "target"))[0]
    assert abs(expected - without) > 1e-3
    # One model's pairs have no such intercept, named or not.
    assert regress(parts[0]).coefficient == regress(parts[0].drop(columns="model")).coefficient


def test_without_noise_between_pairs_the_slope_is_the_planted_one():
    overlap, drop = tables(5, noise=1e-4)
    pairs = pair_table(overlap, drop)
    assert regress(pairs).coefficient / pairs["overlap"].std() == pytest.approx(0.2, abs=2e-3)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda overlap, drop: (overlap * 0, drop), "the overlap is the same for all pairs"),
        (lambda overlap, drop: (overlap, drop * 0 + 0.5), "the drop is the same for all pairs"),
        (lambda overlap, drop: (overlap.iloc[:2, :2], drop), "too few pairs (2)"),
        (lambda overlap, drop: (overlap, drop * np.nan), "too few pairs (0)"),
        (lambda overlap, drop: (overlap, drop.iloc[:0, :0]), "too few pairs (0)"),
    ],
    ids=["constant overlap", "constant drop", "two tasks", "nothing measured", "empty"],
)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_fitted_is_nan_with_a_note(change, note):
    overlap, drop = change(*tables(0))
    found = regress(pair_table(overlap, drop))
    assert np.isnan([found.coefficient, found.se, found.low, found.high, found.p]).all()
    assert (found.converged, found.note) == (False, note)
    rank = correlate(overlap, drop, permutations=5, seed=0)
    assert np.isnan([rank.rho, rank.low, rank.high, rank.p]).all()


def test_three_tasks_are_fitted_or_say_why_not():
    overlap, drop = tables(0, n=3)
    found = regress(pair_table(overlap, drop))
    assert np.isfinite(found.coefficient) or found.note


# Pairs and ranks


def test_pairs_are_the_cells_that_both_have():
    overlap, drop = tables(1)
    drop = drop.iloc[::-1, ::-1].drop(index="formal/c", columns="formal/c")
    overlap.loc["language/a", "social/f"] = np.nan
    drop.loc["social/g", "language/a"] = np.nan
    pairs = pair_table(overlap, drop)
    found = list(pairs.itertuples(index=False, name=None))
    assert found == naive_pairs(overlap, drop)
    assert len(found) == 6 * 5 - 2
    assert list(pairs) == ["source", "target", "overlap", "drop"]


@pytest.mark.parametrize("missing", [False, True])
def test_rho_is_that_of_scipy_over_the_pairs(missing):
    overlap, drop = tables(2)
    drop = drop.round(1)
    if missing:
        drop.iloc[1, 2] = overlap.iloc[4, 0] = np.nan
    pairs = naive_pairs(overlap, drop)
    found = correlate(overlap, drop, permutations=50, seed=4)
    assert found.rho == pytest.approx(
        spearmanr([pair[2] for pair in pairs], [pair[3] for pair in pairs]).statistic
    )
    assert found.low < found.rho < found.high


def naive_mantel(first, second, n, seed):
    """Rows and columns of the first are permuted together, ranks taken anew each time."""
    rng = np.random.default_rng(seed)
    size = len(first)

    def rho(order):
        cells = [
            (first[order[i], order[j]], second[i, j])
            for i in range(size)
            for j in range(size)
            if i != j
        ]
        cells = [cell for cell in cells if np.isfinite(cell).all()]
        return spearmanr(*zip(*cells, strict=True)).statistic

    observed = rho(range(size))
    null = [rho(rng.permutation(size)) for _ in range(n)]
    return (1 + sum(value >= observed - 1e-12 for value in null)) / (1 + n)


@pytest.mark.parametrize("missing", [0, 1, 8])
@pytest.mark.parametrize("slope", [0, 0.2])
def test_mantel_is_that_of_the_plain_loop(missing, slope):
    overlap, drop = (t.to_numpy().round(2) for t in tables(6, slope=slope))
    for number in range(missing):
        drop[number % 7, (3 * number + 1) % 7] = np.nan
    found = mantel(overlap, drop, permutations=60, seed=9)
    assert found == pytest.approx(naive_mantel(overlap, drop, 60, 9), abs=1e-15)


def test_mantel_of_a_matrix_with_itself_is_as_small_as_can_be():
    overlap, _ = tables(7)
    found = correlate(overlap, overlap, permutations=99, seed=0)
    assert (found.rho, found.p) == (pytest.approx(1), 0.01)
    assert correlate(overlap, -overlap, permutations=99, seed=0).p == 1


def test_permutations_without_a_correlation_are_no_evidence():
    """Few cells: where a permuted matrix shares less than three with the other there is no rho."""
    values = np.full((7, 7), np.nan)
    values[0, 1], values[1, 2], values[2, 3], values[3, 4] = 0.1, 0.2, 0.3, 0.4
    assert mantel(values, -values, permutations=200, seed=0) == 1
