"""Domain or surface: coefficients against statsmodels, p-values against plain refits."""

import numpy as np
import pytest
import statsmodels.api as sm

from brodmann.statistics.confounds import regress_pairs, stratified

pytestmark = pytest.mark.filterwarnings("error")

DOMAINS = ["language", "language", "formal", "formal", "physical", "social", "social", "social"]


def square(rng, n, symmetric=True):
    values = rng.random((n, n))
    return (values + values.T) / 2 if symmetric else values


def same(labels):
    return np.equal.outer(np.array(labels), np.array(labels)).astype(float)


def study(seed, domains=DOMAINS, missing=0, directed=False):
    """values, {same_domain, two rivals}."""
    rng = np.random.default_rng(seed)
    n = len(domains)
    predictors = {"same_domain": same(domains), "near": square(rng, n), "alike": square(rng, n)}
    values = 0.2 * predictors["same_domain"] + 0.3 * predictors["near"]
    values = values + 0.3 * square(rng, n, symmetric=not directed)
    for number in range(missing):
        values[number % n, (number + 3) % n] = np.nan
        if not directed:
            values[(number + 3) % n, number % n] = np.nan
    return values, predictors


def cells(values, directed):
    n = len(values)
    where = ~np.eye(n, dtype=bool) if directed else np.triu(np.ones((n, n), dtype=bool), 1)
    return where & np.isfinite(values)


def fit(values, predictors, where):
    columns = np.column_stack([x[where] for x in predictors])
    return sm.OLS(values[where], sm.add_constant(columns, has_constant="add")).fit()


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("missing", [0, 4])
def test_coefficients_are_those_of_statsmodels(directed, missing):
    values, predictors = study(1, missing=missing, directed=directed)
    found = regress_pairs(values, predictors, directed=directed, permutations=5, seed=0)
    expected = fit(values, list(predictors.values()), cells(values, directed))
    assert [term.coefficient for term in found.values()] == pytest.approx(list(expected.params[1:]))
    for term in found.values():
        assert term.low < term.coefficient < term.high


def full_rank(columns):
    return np.linalg.matrix_rank(columns) == columns.shape[1]


def naive_interval(values, predictors, directed, seed):
    """Of every coefficient: refits on tasks drawn anew, pair by pair; copies of a task are no pair."""
    n, dice, found = len(values), np.random.default_rng(seed), []
    for _ in range(1000):
        draw = dice.integers(n, size=n).tolist()
        rows = [
            (values[draw[i], draw[j]], 1.0, *(x[draw[i], draw[j]] for x in predictors))
            for i in range(n)
            for j in range(n)
            if draw[i] != draw[j] and (i != j if directed else i < j)
        ]
        rows = np.array([row for row in rows if np.isfinite(row).all()])
        if len(rows) > len(predictors) + 1 and full_rank(rows[:, 1:]):
            found.append(np.linalg.lstsq(rows[:, 1:], rows[:, 0], rcond=None)[0][1:])
    return np.quantile(found, [0.025, 0.975], axis=0).T


@pytest.mark.parametrize(("directed", "missing"), [(False, 3), (True, 0)])
def test_intervals_are_those_of_plain_refits_on_drawn_tasks(directed, missing):
    values, predictors = study(5, missing=missing, directed=directed)
    found = regress_pairs(values, predictors, directed=directed, permutations=1, seed=7)
    expected = naive_interval(values, list(predictors.values()), directed, 7)
    for term, ends in zip(found.values(), expected, strict=True):
        assert (term.low, term.high) == pytest.approx(tuple(ends), rel=1e-6, abs=1e-9)


def test_a_draw_with_as_many_pairs_as_coefficients_is_no_fit():
    """Five tasks, six pairs: of the draw 0, 0, 1, 2, 4 two pairs are left, through which any line goes."""
    values, predictors = study(22, domains=DOMAINS[:5])
    for ends in ((0, 1), (0, 2), (0, 4), (1, 4)):
        values[ends] = values[ends[::-1]] = np.nan
    near = predictors["near"]
    found = regress_pairs(values, {"near": near}, directed=False, permutations=1, seed=7)["near"]
    ((low, high),) = naive_interval(values, [near], False, 7)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)


def naive_mrqap(values, predictors, name, directed, n, seed):
    """Double semi-partialing: refit with the permuted residual in the predictor's place, compare t."""
    where = cells(values, directed)
    others = [x for other, x in predictors.items() if other != name]
    x = predictors[name]
    if others:
        partial = fit(np.where(np.isfinite(values), x, np.nan), others, where)
        predicted = partial.params[0] + sum(
            b * other for b, other in zip(partial.params[1:], others, strict=True)
        )
    else:
        predicted = x[where].mean()
    residual = x - predicted

    def t(order):
        return fit(values, [residual[np.ix_(order, order)], *others], where).tvalues[1]

    size = len(values)
    observed = fit(values, [x, *others], where).tvalues[1]
    assert t(np.arange(size)) == pytest.approx(observed)
    rng = np.random.default_rng(seed)
    null = [t(rng.permutation(size)) for _ in range(n)]
    return (1 + sum(value >= observed - 1e-9 for value in null)) / (1 + n)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("missing", [0, 3])
def test_p_is_that_of_plain_refits(directed, missing):
    values, predictors = study(2, missing=missing, directed=directed)
    found = regress_pairs(values, predictors, directed=directed, permutations=80, seed=5)
    for name, term in found.items():
        expected = naive_mrqap(values, predictors, name, directed, 80, 5)
        assert term.p == pytest.approx(expected, abs=1e-15), name
    alone = {"same_domain": predictors["same_domain"]}
    (term,) = regress_pairs(values, alone, directed=directed, permutations=80, seed=5).values()
    assert term.p == pytest.approx(naive_mrqap(values, alone, "same_domain", directed, 80, 5))


def test_a_domain_that_is_only_format_loses_its_effect():
    """Overlap follows the format; most of each domain has the same one. Beside it the domain is nothing."""
    domains = [d for d in ("language", "formal", "physical", "social") for _ in range(6)]
    formats = [n if k % 6 else (n + 1) % 4 for n in range(4) for k in range(6)]
    small, large = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rival = same(formats)
        values = 0.3 * rival + 0.2 * square(rng, 24)
        predictors = {"same_domain": same(domains)}
        options = {"directed": False, "permutations": 199, "seed": seed}
        small.append(regress_pairs(values, predictors, **options)["same_domain"].p)
        predictors["same_format"] = rival
        found = regress_pairs(values, predictors, **options)
        large.append(found["same_domain"].p)
        assert found["same_format"].p == 1 / 200
        assert found["same_domain"].low < 0.03 and abs(found["same_domain"].coefficient) < 0.04
    assert max(small) == 1 / 200
    assert np.median(large) > 0.1


def test_a_constant_predictor_is_left_out_and_nan():
    values, predictors = study(3)
    whole = regress_pairs(values, predictors, directed=False, permutations=20, seed=1)
    more = {**predictors, "same_format": np.ones_like(values)}
    found = regress_pairs(values, more, directed=False, permutations=20, seed=1)
    assert np.isnan([found["same_format"].coefficient, found["same_format"].p]).all()
    for name, term in whole.items():
        assert found[name].p == term.p
        assert found[name].coefficient == pytest.approx(term.coefficient)


def test_constant_predictors_use_up_no_pairs():
    """Six pairs are enough for two coefficients beside the mean, however many predictors are constant."""
    values, _ = study(3, domains=DOMAINS[:3], directed=True)
    varied = {name: square(np.random.default_rng(n), 3, False) for n, name in enumerate("ab")}
    constant = {name: np.ones((3, 3)) for name in ("same_format", "same_domain")}
    found = regress_pairs(values, varied | constant, directed=True, permutations=5, seed=0)
    expected = fit(values, list(varied.values()), cells(values, directed=True)).params[1:]
    assert [found[name].coefficient for name in "ab"] == pytest.approx(list(expected))
    assert all(np.isnan(found[name].coefficient) for name in constant)


def test_a_slope_needs_two_pairs_more_than_coefficients():
    """Of a mean and a slope: four pairs give both, three pairs say nothing."""
    values, predictors = study(6, domains=DOMAINS[:4])
    near = {"near": predictors["near"]}
    values[0, 1], values[2, 3] = np.nan, np.nan
    (term,) = regress_pairs(values, near, directed=False, permutations=5, seed=0).values()
    expected = fit(values, [near["near"]], cells(values, directed=False))
    assert term.coefficient == pytest.approx(expected.params[1])
    values[0, 2] = np.nan
    (term,) = regress_pairs(values, near, directed=False, permutations=5, seed=0).values()
    assert np.isnan([term.coefficient, term.low, term.high, term.p]).all()


def test_values_of_two_kinds_have_a_slope():
    """Of pairs that overlap or do not: the slope is the difference of two shares."""
    values = (study(9)[0] > 0.5).astype(float)
    alike = {"same_domain": same(DOMAINS)}
    (term,) = regress_pairs(values, alike, directed=False, permutations=20, seed=1).values()
    where = cells(values, directed=False)
    own = alike["same_domain"] == 1
    assert set(values[where]) == {0, 1}
    apart = values[where & own].mean() - values[where & ~own].mean()
    assert term.coefficient == pytest.approx(apart)
    assert term.p == pytest.approx(naive_mrqap(values, alike, "same_domain", False, 20, 1))


def test_a_rival_that_mixes_two_others_leaves_the_rest_their_p():
    """It adds nothing to what the two explain, whatever its rounding."""
    values, predictors = study(10)
    rivals = {"a": predictors["near"], "b": predictors["alike"]}
    alone = {"same_domain": predictors["same_domain"], **rivals}
    mixed = {**alone, "c": 0.3 * rivals["a"] + 0.7 * rivals["b"]}
    whole = regress_pairs(values, alone, directed=False, permutations=50, seed=1)
    found = regress_pairs(values, mixed, directed=False, permutations=50, seed=1)
    assert found["same_domain"].p == whole["same_domain"].p
    assert found["same_domain"].coefficient == pytest.approx(whole["same_domain"].coefficient)
    assert all(np.isnan(found[name].p) for name in "abc")


def test_two_predictors_that_are_one_cannot_be_told_apart():
    """Each domain in a format of its own: no number of either coefficient means anything."""
    values, predictors = study(4)
    twins = {**predictors, "same_format": predictors["same_domain"].copy()}
    found = regress_pairs(values, twins, directed=False, permutations=50, seed=1)
    for name in ("same_domain", "same_format"):
        term = found[name]
        assert np.isnan([term.coefficient, term.low, term.high, term.p]).all()
    # The others' numbers do not depend on how the two share theirs.
    whole = regress_pairs(values, predictors, directed=False, permutations=50, seed=1)
    assert found["near"].coefficient == pytest.approx(whole["near"].coefficient)
    assert found["near"].p == whole["near"].p


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_tasks_are_nan(n):
    predictors = {"same_domain": np.zeros((n, n)), "near": np.zeros((n, n))}
    found = regress_pairs(np.ones((n, n)), predictors, directed=True, permutations=5, seed=0)
    assert list(found) == ["same_domain", "near"]
    assert all(np.isnan([term.coefficient, term.p]).all() for term in found.values())


def test_constant_and_missing_values_are_nan():
    _, predictors = study(0)
    for values in (np.ones((8, 8)), np.full((8, 8), np.nan)):
        found = regress_pairs(values, predictors, directed=False, permutations=5, seed=0)
        assert all(np.isnan([term.coefficient, term.p]).all() for term in found.values())


# Within formats


def naive_stratified(values, domains, formats, n, seed):
    def difference(labels):
        within, cross = [], []
        for i in range(len(labels)):
            for j in range(len(labels)):
                if i != j and np.isfinite(values[i, j]):
                    (within if labels[i] == labels[j] else cross).append(values[i, j])
        return np.mean(within) - np.mean(cross) if within and cross else np.nan

    rng = np.random.default_rng(seed)
    observed, null = difference(domains), []
    for _ in range(n):
        labels = list(domains)
        for kind in dict.fromkeys(formats):
            group = [i for i in range(len(formats)) if formats[i] == kind]
            own = [domains[i] for i in group]
            if len(set(own)) > 1:
                for i, label in zip(group, rng.permutation(own), strict=True):
                    labels[i] = str(label)
        null.append(difference(labels))
    null = [value for value in null if np.isfinite(value)]
    return observed, (1 + sum(v >= observed - 1e-12 for v in null)) / (1 + len(null))


@pytest.mark.parametrize("missing", [0, 4])
def test_labels_are_shuffled_within_formats_only(missing):
    formats = ["a", "b", "a", "b", "b", "c", "c", "a"]
    values, _ = study(6, missing=missing, directed=True)
    found = stratified(values, DOMAINS, formats, permutations=80, seed=3)
    difference, p = naive_stratified(values, DOMAINS, formats, 80, 3)
    assert found.difference == pytest.approx(difference)
    assert found.p == pytest.approx(p, abs=1e-15)
    assert found.n_movable == 6  # both tasks of format c are social


def test_pure_formats_leave_nothing_to_shuffle():
    values, _ = study(7)
    found = stratified(values, DOMAINS, DOMAINS, permutations=20, seed=0)
    assert np.isnan(found.p) and found.n_movable == 0
    assert np.isfinite(found.difference)


def test_one_format_is_the_test_of_modularity():
    from brodmann.statistics.modularity import modularity

    values, _ = study(8)
    found = stratified(values, DOMAINS, ["a"] * 8, permutations=100, seed=2)
    expected = modularity(values, DOMAINS, permutations=100, seed=2).overall
    assert found.difference == pytest.approx(expected.difference)
    assert (found.p, found.n_movable) == (expected.p, 8)


def test_an_effect_of_format_alone_is_not_found_within_formats():
    """Domain and format go together; overlap follows the format."""
    domains = [d for d in ("language", "formal", "physical", "social") for _ in range(5)]
    formats = [str(n if k else (n + 1) % 4) for n in range(4) for k in range(5)]
    values = 0.3 * same(formats) + 0.2 * square(np.random.default_rng(1), 20)
    free = stratified(values, domains, ["a"] * 20, permutations=199, seed=0)
    held = stratified(values, domains, formats, permutations=199, seed=0)
    assert free.p == 1 / 200
    assert held.p > 0.1 and held.difference == free.difference


@pytest.mark.parametrize("domains", [[], ["formal"], ["formal"] * 3])
def test_without_two_domains_there_is_no_test(domains):
    n = len(domains)
    found = stratified(np.ones((n, n)), domains, ["a"] * n, permutations=5, seed=0)
    assert np.isnan([found.difference, found.p]).all() and found.n_movable == 0


def test_a_shuffle_without_a_difference_is_no_evidence():
    values = np.full((6, 6), np.nan)
    values[0, 1], values[0, 4] = 0.1, 0.9
    domains = ["language"] * 3 + ["formal"] * 3
    assert stratified(values, domains, ["a"] * 6, permutations=100, seed=0).p == 1
