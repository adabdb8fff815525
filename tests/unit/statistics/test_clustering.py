"""Clusters of tasks: against plain loops, and against scikit-learn where it has the same."""

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn.cluster import AgglomerativeClustering

from brodmann.statistics.clustering import adjusted_rand, clusters, knn_graph, recover, symmetrised
from brodmann.statistics.modularity import label_codes

pytestmark = pytest.mark.filterwarnings("error")

DOMAINS = ["language"] * 6 + ["formal"] * 8 + ["physical"] * 6 + ["social"] * 7


def naive_symmetrised(matrix):
    n = len(matrix)
    found = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            value = (matrix[i][j] + matrix[j][i]) / 2
            found[i][j] = 0.0 if i == j or np.isnan(value) else value
    return np.array(found)


def naive_graph(weights, k=5):
    """Edge -> weight: either task is among the other's k largest; of equals, the first."""
    n = len(weights)
    edges = {}
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: (-weights[i, j], j))
        for j in others[:k]:
            edges[i, j] = edges[j, i] = weights[i, j]
    return edges


def naive_clusters(edges, n, number=4):
    """Join the two clusters with the smallest mean distance until ``number`` are left."""
    parts = [[i] for i in range(n)]
    while len(parts) > number:
        best = None
        for a in range(len(parts)):
            for b in range(a + 1, len(parts)):
                far = np.mean([1 - edges.get((i, j), 0.0) for i in parts[a] for j in parts[b]])
                if best is None or far < best[0] - 1e-12:
                    best = (far, a, b)
        _, a, b = best
        parts[a] += parts.pop(b)
    labels = np.zeros(n, dtype=int)
    for number, part in enumerate(parts):
        labels[part] = number
    return labels


def distances(graph):
    distance = 1 - np.nan_to_num(graph, nan=0.0)
    np.fill_diagonal(distance, 0)
    return distance


def dense_matrix(rng, n):
    """Every pair near enough to have an edge of its own weight: no ties in the distances."""
    return rng.random((n, n))


def same_parts(a, b):
    return metrics.adjusted_rand_score(a, b) == 1


def test_adjusted_rand_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = rng.integers(1, 30)
        found = rng.integers(rng.integers(1, 6), size=n)
        rows = np.array([rng.integers(rng.integers(1, 6), size=n) for _ in range(4)])
        expected = [metrics.adjusted_rand_score(row, found) for row in rows]
        np.testing.assert_allclose(adjusted_rand(rows, found), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0], [0]),
        ([0, 0, 0], [0, 0, 0]),
        ([0, 1, 2], [2, 1, 0]),
        ([0, 0, 0], [0, 1, 2]),
        ([0, 1, 2], [0, 0, 0]),
        ([0, 0, 1, 1], [0, 1, 0, 1]),
        ([3, 3, 0, 0], [0, 0, 2, 2]),
    ],
)
def test_adjusted_rand_of_degenerate_labels(a, b):
    found = adjusted_rand(np.array([a]), np.array(b))
    assert found == pytest.approx([metrics.adjusted_rand_score(a, b)])


def test_the_matrix_is_made_symmetric_first_and_zero_where_a_direction_is_missing():
    matrix = np.array([[9, 1, np.nan], [3, 9, 2], [4, np.nan, np.nan]])
    np.testing.assert_array_equal(symmetrised(matrix), [[0, 2, 0], [2, 0, 0], [0, 0, 0]])
    rng = np.random.default_rng(1)
    for _ in range(10):
        matrix = rng.random((9, 9))
        matrix[rng.random((9, 9)) < 0.2] = np.nan
        before = matrix.copy()
        np.testing.assert_array_equal(symmetrised(matrix), naive_symmetrised(matrix))
        np.testing.assert_array_equal(matrix, before)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 20])
def test_graph_is_that_of_plain_loops(n):
    rng = np.random.default_rng(n)
    for values in (rng.random((n, n)), rng.integers(0, 3, (n, n)) / 4.0):
        weights = naive_symmetrised(values)
        graph, edges = knn_graph(weights), naive_graph(weights)
        for i in range(n):
            for j in range(n):
                np.testing.assert_equal(graph[i, j], edges.get((i, j), np.nan))


@pytest.mark.parametrize("n", [5, 8, 15, 27])
def test_clusters_are_those_of_plain_loops_and_of_scikit_learn(n):
    for seed in range(4):
        # Few enough tasks for all pairs to have an edge, or a planted order that leaves no ties.
        weights = naive_symmetrised(dense_matrix(np.random.default_rng(seed), n))
        graph = knn_graph(weights, neighbours=n)
        labels = clusters(graph)
        assert set(labels) == set(range(4))
        assert same_parts(labels, naive_clusters(naive_graph(weights, n), n))
        tree = AgglomerativeClustering(4, metric="precomputed", linkage="average")
        assert same_parts(labels, tree.fit_predict(distances(graph)))
        assert list(dict.fromkeys(labels)) == [0, 1, 2, 3]


def test_clusters_of_the_sparse_graph():
    """With five neighbours far tasks tie at distance 1; planted groups keep the cut clear of them."""
    rng = np.random.default_rng(2)
    codes = label_codes(DOMAINS)[1]
    weights = naive_symmetrised(
        rng.random((27, 27)) * 0.2 + 0.6 * (codes[:, None] == codes[None, :])
    )
    labels = clusters(knn_graph(weights))
    assert same_parts(labels, naive_clusters(naive_graph(weights), 27))
    assert same_parts(labels, codes)


def test_planted_blocks_come_back():
    rng = np.random.default_rng(4)
    names = np.array(DOMAINS)
    matrix = rng.random((27, 27)) * 0.1 + 0.4 * (names[:, None] == names[None, :])
    order = rng.permutation(27)
    found = recover(matrix[np.ix_(order, order)], list(names[order]), permutations=99, seed=1)
    assert (found.ari, found.p) == (1, 0.01)
    assert [found.nmi, found.ami, found.v_measure] == pytest.approx([1, 1, 1])
    assert found.silhouette > 0.3


@pytest.mark.parametrize("missing", [0, 0.3])
def test_scores_are_those_of_scikit_learn(missing):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        matrix = rng.random((27, 27))
        matrix[rng.random((27, 27)) < missing] = np.nan
        found = recover(matrix, DOMAINS, permutations=40, seed=seed)
        weights = naive_symmetrised(matrix)
        labels = clusters(knn_graph(weights))
        assert found.labels == tuple(labels)
        distance = 1 - weights
        np.fill_diagonal(distance, 0)
        expected = [
            metrics.adjusted_rand_score(DOMAINS, labels),
            metrics.normalized_mutual_info_score(DOMAINS, labels),
            metrics.adjusted_mutual_info_score(DOMAINS, labels),
            metrics.v_measure_score(DOMAINS, labels),
            metrics.silhouette_score(distance, DOMAINS, metric="precomputed"),
        ]
        scores = [found.ari, found.nmi, found.ami, found.v_measure, found.silhouette]
        assert scores == pytest.approx(expected)
        shuffler = np.random.default_rng(seed)
        null = [
            metrics.adjusted_rand_score(shuffler.permutation(DOMAINS), labels) for _ in range(40)
        ]
        assert found.p == (1 + sum(value >= found.ari - 1e-12 for value in null)) / 41


def naive_silhouette(weights, labels):
    """Mean over tasks of (b - a) / max(a, b): own domain against the nearest other."""
    values = []
    for i, own in enumerate(labels):
        means = {}
        for domain in set(labels):
            far = [1 - weights[i, j] for j in range(len(labels)) if j != i and labels[j] == domain]
            means[domain] = np.mean(far) if far else None
        if means[own] is None:
            values.append(0.0)
            continue
        a, b = means[own], min(value for domain, value in means.items() if domain != own)
        values.append((b - a) / max(a, b))
    return np.mean(values)


def test_the_silhouette_takes_domains_as_clusters_on_all_pairs():
    rng = np.random.default_rng(9)
    matrix = rng.random((10, 10)) * 0.5
    for labels in (["language"] * 4 + ["formal"] * 5 + ["social"], ["language", "social"] * 5):
        found = recover(matrix, labels, permutations=1, seed=0)
        expected = naive_silhouette(naive_symmetrised(matrix), labels)
        assert found.silhouette == pytest.approx(expected)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_cluster_is_nan(n):
    found = recover(np.ones((n, n)), ["formal"] * n, permutations=5, seed=0)
    scores = [found.ari, found.nmi, found.ami, found.v_measure, found.silhouette, found.p]
    assert np.isnan(scores).all()
    assert found.labels == (0,) * n


@pytest.mark.parametrize("n", [2, 3, 4])
def test_fewer_tasks_than_clusters_are_clusters_of_their_own(n):
    labels = ["language", "language", "formal", "social"][:n]
    matrix = np.random.default_rng(n).random((n, n))
    found = recover(matrix, labels, permutations=5, seed=0)
    assert found.labels == tuple(range(n))
    # They cannot be anything else: that says nothing about the domains.
    assert np.isnan([found.ari, found.nmi, found.ami, found.v_measure, found.p]).all()


def test_all_missing_is_nan_and_one_domain_has_no_silhouette():
    missing = np.full((6, 6), np.nan)
    for matrix in (missing, np.where(np.eye(6) == 1, 1.0, missing)):  # with itself each is alike
        found = recover(matrix, ["language", "formal"] * 3, permutations=5, seed=0)
        assert np.isnan([found.ari, found.p, found.silhouette]).all()
        assert found.labels == (0,) * 6
    found = recover(np.random.default_rng(0).random((6, 6)), DOMAINS[:6], permutations=5, seed=0)
    assert np.isnan([found.silhouette, found.ari, found.p]).all()


def test_equal_overlaps_still_give_four_clusters_and_a_defined_p():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = recover(np.full((27, 27), 0.25), DOMAINS, permutations=20, seed=0)
    assert set(found.labels) == {0, 1, 2, 3}
    assert 0 < found.p <= 1 and np.isfinite(found.ari)


def test_more_than_four_domains_can_be_found_again():
    """Six blocks: a cut at four clusters could not tell them apart."""
    domains = [
        name for name in ("language", "formal", "art", "music", "sport", "law") for _ in "abcd"
    ]
    rng = np.random.default_rng(3)
    same = np.equal.outer(domains, domains)
    found = recover(same * 0.6 + rng.random((24, 24)) * 0.1, domains, permutations=99, seed=0)
    assert len(set(found.labels)) == 6 and found.ari == pytest.approx(1) and found.p == 0.01
    assert label_codes(domains)[0] == ["language", "formal", "art", "law", "music", "sport"]
