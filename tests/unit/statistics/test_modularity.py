"""Within against across domains: plain loops over shuffled labels must give the same means and p."""

import warnings
from itertools import combinations

import numpy as np
import pytest

from brodmann.statistics.matrices import read_foreign_matrix
from brodmann.statistics.modularity import Cells, gap, label_codes, modularity, shuffles
from brodmann.tasks.catalogue import domain_of

pytestmark = pytest.mark.filterwarnings("error")

LABELS = ["language"] * 3 + ["formal"] * 4 + ["physical"] * 2 + ["social"] * 3


def naive_means(matrix, labels, domain=None):
    """(within, cross, n_within, n_cross) of the off-diagonal cells that are there, cell by cell."""
    within, cross = [], []
    for i in range(len(labels)):
        for j in range(len(labels)):
            if i == j or np.isnan(matrix[i, j]):
                continue
            if domain is None:
                (within if labels[i] == labels[j] else cross).append(matrix[i, j])
            elif labels[i] == domain and labels[j] == domain:
                within.append(matrix[i, j])
            elif domain in (labels[i], labels[j]):
                cross.append(matrix[i, j])
    means = [np.mean(cells) if cells else np.nan for cells in (within, cross)]
    return (*means, len(within), len(cross))


def naive_p(matrix, labels, n, seed, domain=None):
    """(1 + #{null >= observed}) / (1 + n); a shuffle that has no difference is none."""
    rng = np.random.default_rng(seed)
    within, cross, *_ = naive_means(matrix, labels, domain)
    observed = within - cross
    null = []
    for _ in range(n):
        within, cross, *_ = naive_means(matrix, list(rng.permutation(labels)), domain)
        null.append(within - cross)
    null = [value for value in null if not np.isnan(value)]
    if np.isnan(observed):
        return np.nan
    return (1 + sum(value >= observed - 1e-12 for value in null)) / (1 + len(null))


def random_matrix(rng, n, missing):
    matrix = rng.random((n, n))
    matrix[rng.random((n, n)) < missing] = np.nan
    np.fill_diagonal(matrix, rng.choice([1.0, np.nan, 50.0]))
    return matrix


def check(found, matrix, labels, n, seed):
    """Every number of ``found`` against the loops."""
    parts = {None: found.overall} | {name: part.contrast for name, part in found.domains.items()}
    assert list(found.domains) == [name for name in label_codes(labels)[0]]
    for domain, contrast in parts.items():
        within, cross, n_within, n_cross = naive_means(matrix, labels, domain)
        assert (contrast.within.n, contrast.cross.n) == (n_within, n_cross)
        np.testing.assert_allclose(
            [contrast.within.mean, contrast.cross.mean, contrast.difference],
            [within, cross, within - cross],
            rtol=1e-12,
        )
        assert contrast.p == pytest.approx(
            naive_p(matrix, labels, n, seed, domain), abs=1e-15, nan_ok=True
        )


@pytest.mark.parametrize("missing", [0, 0.1, 0.6, 0.9])
def test_means_and_p_are_those_of_plain_loops(missing):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        labels = list(rng.permutation(LABELS))
        matrix = random_matrix(rng, len(labels), missing)
        found = modularity(matrix, labels, permutations=60, seed=seed)
        check(found, matrix, labels, 60, seed)
        assert gap(matrix, labels) == pytest.approx(found.overall.difference, nan_ok=True)
        assert found.n_tasks == len(labels)


def test_out_and_into_are_the_two_halves_of_cross():
    rng = np.random.default_rng(5)
    matrix = random_matrix(rng, len(LABELS), 0.2)
    own = np.array(LABELS) == "formal"
    part = modularity(matrix, LABELS, permutations=1, seed=0).domains["formal"]
    for cells, rows, columns in ((part.out, own, ~own), (part.into, ~own, own)):
        block = matrix[np.ix_(rows, columns)]
        assert cells.n == np.isfinite(block).sum()
        assert cells.mean == pytest.approx(np.nanmean(block))
        assert cells.sd == pytest.approx(np.nanstd(block, ddof=1))
        assert cells.sem == pytest.approx(cells.sd / np.sqrt(cells.n))
    assert part.out.n + part.into.n == part.contrast.cross.n


@pytest.mark.parametrize("missing", [0, 0.3])
def test_mirrored_cells_count_once(missing):
    """Against a loop over pairs; two tasks a side have a standard error in closed form."""
    rng = np.random.default_rng(7)
    matrix = random_matrix(rng, len(LABELS), missing)
    matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T
    found = modularity(matrix, LABELS, permutations=30, seed=1, symmetric=True)
    directed = modularity(matrix, LABELS, permutations=30, seed=1)
    for domain, part in found.domains.items():
        pairs = {True: [], False: []}
        for a, b in combinations(range(len(LABELS)), 2):
            ours = (LABELS[a] == domain) + (LABELS[b] == domain)
            if ours and np.isfinite(matrix[a, b]):
                pairs[ours == 2].append(matrix[a, b])
        for cells, values in (
            (part.contrast.within, pairs[True]),
            (part.contrast.cross, pairs[False]),
        ):
            assert cells.n == len(values)
            if len(values) > 1:
                assert cells.mean == pytest.approx(np.mean(values))
                assert cells.sem == pytest.approx(np.std(values, ddof=1) / len(values) ** 0.5)
        assert (part.out.n, part.into.n) == (0, 0)
        assert part.contrast.p == directed.domains[domain].contrast.p
    assert 2 * found.overall.within.n == directed.overall.within.n
    # Pairs of language: 1 and 3, hence SD sqrt(2) and standard error 1; a missing mirror cell is no loss.
    three = np.array([[9, 1, 3], [1, 9, np.nan], [np.nan, np.nan, 9]])
    within = modularity(three, ["language"] * 3, permutations=1, seed=0, symmetric=True)
    cells = within.domains["language"].contrast.within
    assert (cells.n, cells.mean) == (2, 2) and cells.sem == pytest.approx(1)


def test_the_published_p_with_all_its_shuffles(reference):
    """10,000 shuffles, a plain mean of masked cells for each: one matrix with unlike directions."""
    path = "meta-llama_Meta-Llama-3-1-70B-Instruct/ablation_analysis"
    table = read_foreign_matrix(reference / path / "positive_0.1pct_corrupted_accuracy.csv", low=-1)
    matrix, labels = table.to_numpy(), np.array([domain_of(task) for task in table.index])
    found = modularity(matrix, list(labels), permutations=10_000, seed=42)
    off = ~np.eye(len(labels), dtype=bool)

    def differences(labels):
        same = labels[:, None] == labels[None, :]
        values = [matrix[off & same].mean() - matrix[off & ~same].mean()]
        for domain in found.domains:
            own = labels == domain
            within = matrix[off & np.outer(own, own)].mean()
            values.append(within - matrix[np.not_equal.outer(own, own)].mean())
        return np.array(values)

    rng = np.random.default_rng(42)
    observed = differences(labels)
    null = np.array([differences(rng.permutation(labels)) for _ in range(10_000)])
    expected = (1 + (null >= observed - 1e-12).sum(0)) / 10_001
    contrasts = [found.overall, *(part.contrast for part in found.domains.values())]
    assert [contrast.p for contrast in contrasts] == pytest.approx(list(expected), abs=1e-15)
    assert [contrast.difference for contrast in contrasts] == pytest.approx(list(observed))


def test_shuffles_are_those_of_a_loop_over_names():
    """Codes are shuffled in place of names: the same order comes out."""
    names, codes = label_codes(LABELS)
    assert names == ["language", "formal", "physical", "social"]
    rng = np.random.default_rng(7)
    for row in shuffles(codes, 5, 7):
        assert [names[code] for code in row] == list(rng.permutation(LABELS))


def test_ties_count():
    found = modularity(np.full((12, 12), 0.1), LABELS, permutations=50, seed=1)
    assert found.overall.p == 1
    assert [part.contrast.p for part in found.domains.values()] == [1] * 4
    assert found.overall.ratio == pytest.approx(1)


def test_planted_blocks_are_never_reached_by_chance():
    names = np.array([*LABELS, *LABELS])
    matrix = np.where(names[:, None] == names[None, :], 0.5, 0.1)
    found = modularity(matrix, list(names), permutations=99, seed=3)
    assert found.overall.p == 1 / 100
    assert found.overall.ratio == pytest.approx(5)
    alone = np.where(names[:, None] == names[None, :], 0.5, 0.0)
    assert np.isnan(modularity(alone, list(names), permutations=1, seed=3).overall.ratio)
    # One-sided: the opposite is no structure.
    assert modularity(-matrix, list(names), permutations=99, seed=3).overall.p == 1


def test_a_domain_with_one_task_has_nothing_within():
    labels = ["language", "formal", "formal", "social", "social"]
    found = modularity(np.random.default_rng(0).random((5, 5)), labels, permutations=20, seed=0)
    lonely = found.domains["language"].contrast
    assert np.isnan(lonely.within.mean) and np.isnan(lonely.p) and lonely.within.n == 0
    assert lonely.cross.n == 8 and np.isfinite(lonely.cross.mean)
    assert np.isfinite(found.overall.p) and np.isfinite(found.domains["formal"].contrast.p)


@pytest.mark.parametrize(
    ("matrix", "labels", "within"),
    [
        (np.ones((3, 3)), ["formal"] * 3, 1.0),
        (np.zeros((0, 0)), [], np.nan),
        (np.ones((1, 1)), ["social"], np.nan),
        (np.full((4, 4), np.nan), ["social", "social", "formal", "formal"], np.nan),
    ],
    ids=["one domain", "empty", "one task", "all missing"],
)
def test_what_cannot_be_tested_is_nan(matrix, labels, within):
    found = modularity(matrix, labels, permutations=10, seed=0)
    assert np.isnan([found.overall.p, found.overall.cross.mean, found.overall.ratio]).all()
    np.testing.assert_equal(found.overall.within.mean, within)
    assert list(found.domains) == list(dict.fromkeys(sorted(labels)))
    for part in found.domains.values():
        assert np.isnan([part.contrast.p, part.contrast.cross.mean, part.out.mean]).all()
        assert part.out.n == part.into.n == 0


def test_a_shuffle_without_a_difference_is_no_evidence():
    """Two cells, the smaller one within: no shuffle can do worse, so that nothing speaks for a domain."""
    labels = ["language"] * 3 + ["formal"] * 3
    matrix = np.full((6, 6), np.nan)
    matrix[0, 1], matrix[0, 4] = 0.1, 0.9
    assert modularity(matrix, labels, permutations=200, seed=0).overall.p == 1


def test_permutations_may_be_few():
    found = modularity(np.random.default_rng(0).random((12, 12)), LABELS, permutations=1, seed=0)
    assert found.overall.p in (0.5, 1)


def test_spread_has_ddof_1_and_needs_two_cells():
    cells = Cells.of(np.array([1.0, 2.0, 4.0, np.nan]))
    assert (cells.mean, cells.n) == (7 / 3, 3)
    assert cells.sd == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert cells.sem == pytest.approx(cells.sd / 3**0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan([Cells.of(np.array([1.0])).sd, Cells.of(np.array([])).sem]).all()


def naive_intervals(matrix, labels, domain, seed):
    """Of the means within a domain, with one task in it, and either way: draw by draw, cell by cell."""
    drawn = np.random.default_rng(seed).integers(len(labels), size=(1000, len(labels)))
    means = {"within": [], "cross": [], "out": [], "into": []}
    for draw in drawn.tolist():
        cells = {name: [] for name in means}
        for a in draw:
            for b in draw:
                ends = labels[a] == domain, labels[b] == domain
                if a == b or np.isnan(matrix[a, b]) or ends == (False, False):
                    continue
                names = {(True, True): ["within"], (True, False): ["cross", "out"]}
                for name in names.get(ends, ["cross", "into"]):
                    cells[name].append(matrix[a, b])
        for name, values in cells.items():
            if values:
                means[name].append(np.mean(values))
    return {name: np.quantile(values, [0.025, 0.975]) for name, values in means.items()}


@pytest.mark.parametrize("symmetric", [False, True])
def test_intervals_of_means_are_those_of_resampled_tasks(symmetric):
    """A pair drawn with a task twice counts twice; a task never meets itself."""
    rng = np.random.default_rng(3)
    matrix = random_matrix(rng, len(LABELS), 0.0 if symmetric else 0.1)
    matrix = (matrix + matrix.T) / 2 if symmetric else matrix
    found = modularity(matrix, LABELS, permutations=9, seed=5, symmetric=symmetric).domains
    expected = naive_intervals(matrix, LABELS, "formal", 5)
    for name in ("within", "cross") if symmetric else expected:
        assert found["formal"].intervals[name] == pytest.approx(expected[name], rel=1e-9)
    if symmetric:
        assert np.isnan(found["formal"].intervals["out"]).all()
    # One pair says nothing of other tasks.
    assert np.isnan(found["physical"].intervals["within"]).all()
    assert np.isfinite(found["physical"].intervals["cross"]).all()
