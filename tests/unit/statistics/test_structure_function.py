"""Does overlap predict ablation? The fit against a likelihood of our own, ranks against scipy and loops."""

from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.stats import binom, spearmanr
from scipy.stats import t as student

from brodmann.statistics.mixed import _Moments, fit_pairs
from brodmann.statistics.pooling import pool, shared_errors
from brodmann.statistics.resampling import resampled
from brodmann.statistics.structure_function import (
    correlate,
    mantel,
    pair_table,
    regress,
    regress_over_models,
    resampled_slopes,
    support,
)

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


EFFECTS = ("source", "target", "pair")


def reml(pairs, effects=EFFECTS):
    """(slope, SE) by the dense restricted likelihood, maximised over the variance ratios."""
    pairs = named(pairs)
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


def named(pairs):
    """With the unordered pair as a column."""
    ends = zip(pairs["source"], pairs["target"], strict=True)
    return pairs.assign(pair=[" ".join(sorted(both)) for both in ends])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_coefficient_is_that_of_the_restricted_likelihood(seed):
    pairs = pair_table(*tables(seed))
    found = regress(pairs)
    coefficient, se = reml(pairs)
    assert found.converged
    assert found.coefficient == pytest.approx(coefficient, abs=1e-5)
    assert found.se == pytest.approx(se, rel=1e-3)
    # 21 unordered pairs of 7 tasks.
    assert found.df == 21 - 7 - 1
    reach = student.ppf(0.975, 13) * found.se
    assert found.low == pytest.approx(found.coefficient - reach)
    assert found.high == pytest.approx(found.coefficient + reach)
    assert found.p == pytest.approx(2 * student.sf(abs(found.coefficient) / found.se, 13))


@pytest.mark.filterwarnings("ignore")  # of the boundary
def test_the_coefficient_is_that_of_statsmodels():
    import statsmodels.api as sm

    overlap, drop = null(np.random.default_rng(8), 9, reciprocity=0.5)
    pairs = named(pair_table(overlap, drop + 0.5 * overlap)).assign(whole=1)
    x = pairs["overlap"]
    effects = {name: f"0 + C({name})" for name in EFFECTS}
    model = sm.MixedLM.from_formula(
        "drop ~ x",
        pairs.assign(x=(x - x.mean()) / x.std(ddof=1)),
        groups="whole",
        re_formula="0",
        vc_formula=effects,
    )
    fit = model.fit(reml=True, method=["lbfgs", "powell"])
    found = regress(pairs)
    assert found.coefficient == pytest.approx(fit.fe_params["x"], abs=1e-4)
    # It takes the SE from the Hessian in all parameters, variances included.
    assert found.se == pytest.approx(fit.bse_fe["x"], rel=0.1)


def test_values_of_two_kinds_are_regressed_and_ranked():
    """A circuit that is shared or not, a task that is lost or kept: ties, but no constants."""
    overlap, drop = tables(12, slope=0.5)
    shared, lost = (overlap > 0.5).astype(float), (drop > 0.3).astype(float)
    pairs = pair_table(shared, drop)
    found = regress(pairs)
    expected, se = reml(pairs)
    assert found.note == "" and found.coefficient == pytest.approx(expected, abs=1e-5)
    assert found.se == pytest.approx(se, rel=1e-3)
    for kinds in ((shared, drop), (overlap, lost)):
        pairs = pair_table(*kinds)
        assert 2 in (pairs["overlap"].nunique(), pairs["drop"].nunique())
        rank = correlate(*kinds, permutations=5, seed=0)
        assert rank.rho == pytest.approx(spearmanr(pairs["overlap"], pairs["drop"]).statistic)


@pytest.mark.parametrize("missing", [0, 5])
@pytest.mark.parametrize("ratios", [(0.7, 0.2, 0.4), (0.05, 1.5, 0.0), (0.0, 0.0, 2.0)])
def test_the_search_follows_the_slopes_of_the_likelihood(ratios, missing):
    """By differences of the loss itself, and the loss by dense matrices but for a constant."""
    pairs = named(pair_table(*tables(13))).iloc[missing:]
    ends = [pairs[end].map(TASKS.index).to_numpy() for end in ("source", "target")]
    x, y = pairs["overlap"].to_numpy(), pairs["drop"].to_numpy()
    data = _Moments.of(x, y, *ends)
    shared = [np.equal.outer(pairs[name].to_numpy(), pairs[name].to_numpy()) for name in EFFECTS]
    design = np.column_stack([np.ones(len(y)), x])

    def dense(at):
        covariance = np.eye(len(y)) + sum(r * z for r, z in zip(at, shared, strict=True))
        inverse = np.linalg.inv(covariance)
        information = design.T @ inverse @ design
        left = (y - design @ np.linalg.solve(information, design.T @ inverse @ y)) / y.std()
        variance = left @ inverse @ left / (len(y) - 2)
        logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
        return (len(y) - 2) * np.log(variance) + logs

    at = np.array(ratios)
    value, slopes = data.loss(at)
    assert value - data.loss(np.ones(3))[0] == pytest.approx(dense(at) - dense(np.ones(3)))
    for number, slope in enumerate(slopes):
        step = 1e-5 * np.eye(3)[number]
        assert slope == pytest.approx((dense(at + step) - dense(at - step)) / 2e-5, rel=1e-4)


def test_missing_pairs_do_not_upset_it():
    overlap, drop = tables(3)
    drop.iloc[0, 1:5] = np.nan
    overlap.iloc[2, 5] = np.nan
    pairs = pair_table(overlap, drop)
    assert len(pairs) == 42 - 5
    expected, se = reml(pairs)
    assert regress(pairs).coefficient == pytest.approx(expected, abs=1e-5)
    assert regress(pairs).se == pytest.approx(se, rel=1e-3)


@pytest.mark.parametrize("missing", [0, 4])
def test_the_parts_of_the_error_are_those_of_the_dense_matrices(missing):
    """A row's weight in the slope, times what is left of it without source and target effects."""
    pairs = named(pair_table(*tables(9))).iloc[missing:]
    ends = {end: pairs[end].map(TASKS.index).to_numpy() for end in ("source", "target")}
    x, y = pairs["overlap"].to_numpy() - pairs["overlap"].mean(), pairs["drop"].to_numpy()
    fit = fit_pairs(x, y, **ends)
    assert min(fit.ratios[:2]) > 0
    shared = [np.equal.outer(pairs[name].to_numpy(), pairs[name].to_numpy()) for name in EFFECTS]
    effects = [ratio * one for ratio, one in zip(fit.ratios, shared, strict=True)]
    inverse = np.linalg.inv(np.eye(len(y)) + sum(effects))
    design = np.column_stack([np.ones(len(y)), x])
    weights = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse)
    assert fit.slope == pytest.approx((weights @ y)[1])
    left = y - design @ (weights @ y)
    left = left - (effects[0] + effects[1]) @ inverse @ left  # what tasks are predicted to add
    np.testing.assert_allclose(fit.parts, weights[1] * left, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_task_that_is_a_source_or_a_target_only_is_no_other_task(axis):
    """Its column of the design is its own: the last source may be no target, and the other way round."""
    overlap, drop = tables(8)
    drop.iloc[(-1, slice(None)) if axis == 0 else (slice(None), -1)] = np.nan
    pairs = pair_table(overlap, drop)
    assert len(pairs) == 42 - 6
    expected, se = reml(pairs)
    found = regress(pairs)
    assert found.coefficient == pytest.approx(expected, abs=1e-5)
    assert found.se == pytest.approx(se, rel=1e-3)


def test_the_slope_over_resampled_tasks_is_that_of_the_resampled_matrices():
    """Weights of pairs say the same as matrices with tasks drawn twice, whose copies are no pair."""
    both = {model: tables(seed) for model, seed in (("a", 4), ("b", 5))}
    both["b"][1].iloc[0, 3] = np.nan
    pairs = [pair_table(*own) for own in both.values()]
    found = resampled_slopes(pairs, 0.3, seed=1)
    for (grid, use), slope in zip(islice(resampled(len(TASKS), 1), 20), found, strict=False):
        order = np.argsort(TASKS)  # tasks are drawn in the order of their names
        each = []
        for overlap, drop in both.values():
            x, y = (one.to_numpy()[np.ix_(order, order)][grid][use] for one in (overlap, drop))
            seen = np.isfinite(y)
            each.append(np.polyfit(x[seen] / 0.3, y[seen], 1)[0])
        assert slope == pytest.approx(np.mean(each))
    rests = support(pairs, 1)
    unit = pd.concat([own["overlap"] for own in pairs]).std(ddof=1)
    ends = np.nanquantile(found * unit / 0.3, [0.025, 0.975])
    assert (rests.resampled_low, rests.resampled_high) == pytest.approx(tuple(ends))
    each = [np.cov(own["overlap"] / unit, own["drop"]) for own in pairs]
    assert rests.least_squares == pytest.approx(np.mean([one[0, 1] / one[0, 0] for one in each]))
    assert rests.resampled_low < rests.least_squares < rests.resampled_high
    # Fewer tasks, or overlaps that are all the same, say nothing.
    assert np.isnan(support([pair_table(*tables(4, n=4))], 1).resampled_low)
    flat = pairs[0].assign(overlap=0.1 + 0.2)
    assert np.isnan(resampled_slopes([flat], 0.3, 1)).all()


def test_three_tasks_that_are_nearly_the_same_are_seen_to_make_a_slope():
    """Overlap and drop are noise but among three tasks: the mixed model's interval knows nothing of it."""
    rng, n = np.random.default_rng(0), 16
    names = [f"language/{number:02}" for number in range(n)]
    overlap = rng.uniform(0, 0.1, (n, n))
    overlap = (overlap + overlap.T) / 2
    drop = rng.uniform(0, 0.1, (n, n))
    overlap[:3, :3], drop[:3, :3] = 0.7, 0.9
    pairs = pair_table(*(pd.DataFrame(one, names, names) for one in (overlap, drop)))
    fit, rests = regress(pairs), support([pairs], 0)
    assert fit.low > 0.05 and rests.n_alike == 6
    assert abs(rests.without_alike) < 0.2 * fit.coefficient
    assert rests.resampled_high - rests.resampled_low > 2 * (fit.high - fit.low)
    # The unit is that of all pairs.
    others = pairs[pairs["overlap"] < 0.4]
    alone = regress(others).coefficient * pairs["overlap"].std() / others["overlap"].std()
    assert rests.without_alike == pytest.approx(alone, abs=1e-6)


def test_models_are_pooled_by_their_slopes_alone():
    """A model with more overlap is not one with larger drops: intercepts are the models' own."""
    tables_of = {}
    for model, slope, shift in (("a", 0.2, 0.0), ("b", 0.3, 5.0), ("c", 0.1, -7.0)):
        overlap, drop = tables(ord(model), slope=slope, noise=1e-3)
        tables_of[model] = pair_table(overlap, drop + shift)
    found = regress_over_models(tables_of)
    unit = pd.concat(tables_of.values())["overlap"].std(ddof=1)
    assert found.coefficient / unit == pytest.approx(0.2, abs=5e-3)
    # As good as without error, the slopes are 0.1, 0.2 and 0.3: their own SD and standard error.
    assert found.slope_sd / unit == pytest.approx(0.1, rel=0.05)
    assert found.se / unit == pytest.approx(0.1 / np.sqrt(3), rel=0.05)
    assert found.df == pytest.approx(2, rel=1e-3)
    assert (found.n_models, found.note, found.converged) == (3, "", True)


def test_a_search_that_comes_to_no_end_is_told_of(monkeypatch):
    """One step is too few to find the variances."""
    searched = partial(minimize, options={"maxiter": 1})
    monkeypatch.setattr("brodmann.statistics.mixed.minimize", searched)
    pairs = {name: pair_table(*tables(seed)) for seed, name in enumerate("ab")}
    one = regress(pairs["a"])
    assert (one.converged, one.note) == (False, "the search for the variances did not converge")
    both = regress_over_models(pairs)
    assert (both.converged, both.note) == (False, "a did not converge; b did not converge")
    assert np.isfinite([one.coefficient, both.coefficient]).all()


def test_models_that_cannot_be_fitted_are_left_out_of_the_pool():
    overlap, drop = tables(1)
    fine = {name: pair_table(*tables(seed)) for seed, name in enumerate("ab")}
    found = regress_over_models({**fine, "c": pair_table(overlap, drop * 0)})
    assert found.note == "c left out: the drop is the same for all pairs"
    assert found.n_models == 2
    assert found.coefficient == regress_over_models(fine).coefficient
    alone = regress_over_models({"a": fine["a"], "c": pair_table(overlap, drop * 0)})
    assert np.isnan(alone.coefficient) and alone.note.startswith("c left out")


# The level: how often the tests reject where there is nothing


def null(rng, n, *, reciprocity, slope_sd=0.0, common=None, alike=0.0):
    """Overlap and drop of one model without an effect on average.

    A slope about 0, source and target effects, and a residual of which ``reciprocity`` is the pair's.
    ``common``: overlap and pair effect of all models, of which ``alike`` is the share here.
    """

    def symmetric():
        values = np.triu(rng.normal(size=(n, n)), 1)
        return values + values.T

    def mixed(own, shared):
        return np.sqrt(1 - alike) * own + np.sqrt(alike) * shared

    both, pair = common or (np.zeros((n, n)), np.zeros((n, n)))
    overlap, pair = mixed(symmetric(), both), mixed(symmetric(), pair)
    drop = np.sqrt(reciprocity) * pair + np.sqrt(1 - reciprocity) * rng.normal(size=(n, n))
    drop += rng.normal(0, slope_sd) * overlap
    drop += rng.normal(0, 0.5, (n, 1)) + rng.normal(0, 0.6, (1, n))
    names = [f"formal/{number:02}" for number in range(n)]
    return pd.DataFrame(overlap, names, names), pd.DataFrame(drop, names, names)


def holds(rejected, trials):
    """Whether 5 % is a likely rate, either way (two-sided, 1 in 1,000 by chance)."""
    return binom.ppf(0.0005, trials, 0.05) <= rejected <= binom.ppf(0.9995, trials, 0.05)


def test_the_level_is_held_under_reciprocity():
    """Overlap is the same both ways, and so is most of the residual: a pair must not count twice."""
    rng = np.random.default_rng(0)
    trials = 200
    p = [regress(pair_table(*null(rng, 9, reciprocity=0.9))).p for _ in range(trials)]
    assert holds((np.array(p) < 0.05).sum(), trials)


def drawn_models(rng, k, n=7, *, alike=0.0, **more):
    """Model -> its pairs, under ``null``."""
    common = tuple(np.triu(rng.normal(size=(n, n)), 1) for _ in range(2))
    common = tuple(values + values.T for values in common)
    return {
        f"model {number}": pair_table(*null(rng, n, common=common, alike=alike, **more))
        for number in range(k)
    }


def test_the_level_is_held_where_slopes_vary_by_model():
    rng = np.random.default_rng(1)
    trials = 80
    p = [
        regress_over_models(drawn_models(rng, 4, reciprocity=0.4, slope_sd=0.3)).p
        for _ in range(trials)
    ]
    assert holds((np.array(p) < 0.05).sum(), trials)


@pytest.mark.slow
@pytest.mark.parametrize("k", [3, 6])
@pytest.mark.parametrize(("slope_sd", "alike"), [(0, 0), (0.2, 0), (0, 0.9), (0.05, 0.9)])
def test_the_level_is_held_for_few_models_and_shared_pairs(k, slope_sd, alike):
    """Models that break alike on pairs that overlap alike have no more than one model's evidence."""
    rng = np.random.default_rng(2)
    trials = 200
    p = [
        regress_over_models(
            drawn_models(rng, k, 12, reciprocity=0.4, slope_sd=slope_sd, alike=alike)
        ).p
        for _ in range(trials)
    ]
    assert holds((np.array(p) < 0.05).sum(), trials)


@pytest.mark.parametrize("k", [3, 4, 6])
@pytest.mark.parametrize(("tau", "shared"), [(0, 0), (0.5, 0), (3, 0), (0.5, 0.6)])
def test_the_pool_holds_its_level(k, tau, shared):
    """Slopes about 0 with known errors, which differ by model and correlate: t over k - 1."""
    rng = np.random.default_rng(3)
    errors = np.linspace(0.8, 1.3, k)
    mix = np.linalg.cholesky((1 - shared) * np.eye(k) + shared)
    trials = 400
    rejected = 0
    for _ in range(trials):
        slopes = errors * (mix @ rng.normal(size=k)) + tau * rng.normal(size=k)
        found = pool(slopes, errors, shared)
        rejected += 2 * student.sf(abs(found.mean) / found.se, found.df) < 0.05
    assert holds(rejected, trials)


@pytest.mark.parametrize("k", [2, 3])
def test_copies_of_a_model_are_no_further_evidence(k):
    """One model in several dtypes: slopes lie together because their errors do."""
    rng = np.random.default_rng(5)
    p, ratios = [], []
    for _ in range(40):
        drawn = drawn_models(rng, 1, 8, reciprocity=0.4)["model 0"]
        copies = {
            f"copy {number}": drawn.assign(drop=drawn["drop"] + rng.normal(0, 1e-3, len(drawn)))
            for number in range(k)
        }
        found = regress_over_models(copies)
        p.append(found.p)
        ratios.append(found.se / regress(drawn).se)
    assert binom.ppf(0.9995, 40, 0.05) >= (np.array(p) < 0.05).sum()
    # As good as the standard error of the one model.
    assert min(ratios) > 0.9 and max(ratios) < 1.1


def test_slopes_of_one_precision_are_a_sample_of_their_own():
    """Equal errors: mean and standard error are those of the slopes themselves, whatever tau is."""
    slopes = np.array([0.3, 0.1, 0.25, 0.2])
    for error in (1e-3, 0.05, 5):
        found = pool(slopes, np.full(4, error), 0.0)
        assert found.mean == pytest.approx(slopes.mean())
        assert found.se == pytest.approx(slopes.std(ddof=1) / 2)
    # REML of a balanced design: variance between slopes, less that of the errors, 0 at the least.
    assert pool(slopes, np.full(4, 0.05), 0.0).tau == pytest.approx(
        np.sqrt(slopes.var(ddof=1) - 0.05**2), rel=1e-3
    )
    assert pool(slopes, np.full(4, 5.0), 0.0).tau == 0


@pytest.mark.parametrize("error", [0.05, 0.5])
def test_what_errors_share_is_known_by_the_models_own_degrees_of_freedom(error):
    """Equal errors: the rest is what slopes vary by, or what is left of the errors if that is more."""
    slopes, shared, k = np.array([0.3, 0.1, 0.25, 0.2]), 0.6, 4
    found = pool(slopes, np.full(k, error), shared, 12)
    known, spread = shared * error**2, slopes.var(ddof=1) / k
    assert found.se == pytest.approx(np.sqrt(known + spread), rel=1e-4)
    rest = max(spread, (1 - shared) * error**2 / k)
    satterthwaite = (known + rest) ** 2 / (known**2 / 12 + rest**2 / (k - 1))
    assert found.df == pytest.approx(satterthwaite, rel=1e-3)


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_the_pool_knows_no_unit(unit):
    """Drops in ten-thousandths say what drops in ones say."""
    slopes, errors = np.array([0.5, -0.1, 0.3, 0.9]), np.array([0.05, 0.2, 0.1, 0.4])
    one, other = pool(slopes, errors, 0.2, 30), pool(unit * slopes, unit * errors, 0.2, 30)
    assert one.tau > 0.1
    found = other.mean / unit, other.se / unit, other.df, other.tau / unit
    assert found == pytest.approx((one.mean, one.se, one.df, one.tau), rel=1e-4)


def test_models_weigh_by_their_errors_and_by_how_far_slopes_vary():
    """Unequal errors, nothing shared: REML summed up model by model, and Hartung and Knapp's formula."""
    slopes, errors = np.array([0.5, -0.1, 0.3, 0.9, 0.2]), np.array([0.05, 0.2, 0.1, 0.4, 0.15])

    def weighed(tau):
        weights = [1 / (error**2 + tau**2) for error in errors]
        mean = sum(w * y for w, y in zip(weights, slopes, strict=True)) / sum(weights)
        return weights, mean, sum(w * (y - mean) ** 2 for w, y in zip(weights, slopes, strict=True))

    def loss(tau):
        weights, _, squares = weighed(tau)
        return np.log(sum(weights)) - sum(map(np.log, weights)) + squares

    tau = min(np.linspace(0, 1, 20_001), key=loss)
    weights, mean, squares = weighed(tau)
    assert 0.05 < tau < 0.9
    found = pool(slopes, errors, 0.0)
    assert found.tau == pytest.approx(tau, abs=1e-4)
    assert found.mean == pytest.approx(mean, abs=1e-4)
    assert found.se == pytest.approx(np.sqrt(squares / (4 * sum(weights))), rel=1e-3)
    assert found.df == pytest.approx(4)


def test_errors_are_shared_as_far_as_pairs_are():
    rng = np.random.default_rng(4)
    common, own = rng.normal(size=4000), rng.normal(size=(2, 4000))
    parts = {name: pd.Series(common + one) for name, one in zip("ab", own, strict=True)}
    assert shared_errors(parts) == pytest.approx(0.5, abs=0.05)
    assert shared_errors({"a": pd.Series(own[0]), "b": -pd.Series(own[0])}) == 0
    assert shared_errors({"a": pd.Series([1.0], [0]), "b": pd.Series([1.0], [1])}) == 0


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


@pytest.mark.parametrize("missing", [False, True])
def test_the_interval_of_rho_is_that_of_drawn_tasks(missing):
    overlap, drop = tables(2)
    if missing:
        drop.iloc[1, 2] = overlap.iloc[4, 0] = np.nan
    order = sorted(TASKS)
    first, second = (one.loc[order, order].to_numpy() for one in (overlap, drop))
    dice, rhos = np.random.default_rng(4), []
    for _ in range(1000):
        draw = dice.integers(7, size=7).tolist()
        cells = [(first[a, b], second[a, b]) for a in draw for b in draw if a != b]
        x, y = np.array([cell for cell in cells if np.isfinite(cell).all()]).T
        if len(x) > 2 and len(set(x)) > 1 and len(set(y)) > 1:
            rhos.append(spearmanr(x, y).statistic)
    found = correlate(overlap, drop, permutations=1, seed=4)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(rhos, [0.025, 0.975])))
    # Four tasks are too few to be drawn from.
    few = correlate(*tables(2, n=4), permutations=1, seed=4)
    assert np.isfinite(few.rho) and np.isnan([few.low, few.high]).all()


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
