"""Do the domains come back when tasks are clustered by their overlap, without being told?

The matrix is made symmetric, its diagonal zero, missing cells zero. A graph keeps an edge where either task
is among the other's five largest; its weight is the overlap. Distance is 1 - weight, and 1 without an edge.
Average linkage, cut at four clusters (or at as many as there are domains, if these are more), is compared
with the domains. The silhouette takes the domains themselves as clusters, on 1 - overlap of all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import squareform

from brodmann.statistics.modularity import label_codes, shuffles
from brodmann.statistics.resampling import cells_of, p_value

NEIGHBOURS = 5
CLUSTERS = 4


@dataclass(frozen=True)
class Recovery:
    """Agreement of the clusters with the domains; NaN where it is not defined."""

    labels: tuple[int, ...]  # each task's cluster, numbered as they appear
    ari: float = nan
    nmi: float = nan
    ami: float = nan
    v_measure: float = nan
    silhouette: float = nan
    p: float = nan  # shuffles of the domain labels that reach the ARI


def recover(
    matrix: np.ndarray, domains: Sequence[str], *, permutations: int, seed: int
) -> Recovery:
    """Cluster the tasks of ``matrix`` [tasks, tasks] and compare with ``domains``."""
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        normalized_mutual_info_score,
        v_measure_score,
    )

    names, codes = label_codes(domains)
    off = cells_of(len(codes), directed=True)
    if len(codes) < 2 or not np.isfinite(np.asarray(matrix, dtype=float)[off]).any():
        return Recovery((0,) * len(codes))
    weights = symmetrised(matrix)
    number = max(CLUSTERS, len(names))
    labels = clusters(knn_graph(weights), number)
    numbers = tuple(int(label) for label in labels)
    # Of one domain, or of no more tasks than clusters, there is nothing to find.
    if len(names) < 2 or len(codes) <= number:
        return Recovery(numbers)
    observed = float(adjusted_rand(codes[None, :], labels)[0])
    null = adjusted_rand(shuffles(codes, permutations, seed), labels)
    return Recovery(
        labels=numbers,
        ari=observed,
        nmi=float(normalized_mutual_info_score(codes, labels)),
        ami=float(adjusted_mutual_info_score(codes, labels)),
        v_measure=float(v_measure_score(codes, labels)),
        silhouette=_silhouette(weights, codes),
        p=float(p_value(null, observed)),
    )


def symmetrised(matrix: np.ndarray) -> np.ndarray:
    """(M + M^T) / 2, missing cells zero, zero diagonal."""
    values = np.array(matrix, dtype=np.float64)
    values = np.nan_to_num((values + values.T) / 2, nan=0.0)
    np.fill_diagonal(values, 0.0)
    return values


def knn_graph(weights: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """``weights`` where either task is among the other's ``neighbours`` largest, NaN elsewhere.

    Ties go to the task that comes first.
    """
    others = weights.copy()
    np.fill_diagonal(others, -np.inf)
    order = np.argsort(-others, axis=1, kind="stable")
    near = np.zeros(weights.shape, dtype=bool)
    np.put_along_axis(near, order[:, : min(neighbours, len(weights) - 1)], True, axis=1)
    return np.where(near | near.T, weights, np.nan)


def clusters(graph: np.ndarray, number: int = CLUSTERS) -> np.ndarray:
    """Average linkage on 1 - weight (1 without an edge), cut at ``number`` clusters: labels [tasks]."""
    distance = 1 - np.nan_to_num(graph, nan=0.0)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    found = cut_tree(tree, n_clusters=min(number, len(graph)))[:, 0]
    seen: dict[int, int] = {}
    return np.array([seen.setdefault(int(label), len(seen)) for label in found])


def adjusted_rand(labels: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Adjusted Rand index of each row of ``labels`` [n, tasks] with ``found`` [tasks]: [n]."""
    member = np.eye(labels.max() + 1)[labels]  # [n, tasks, domains]
    table = member.transpose(0, 2, 1) @ np.eye(found.max() + 1)[found]  # [n, domains, clusters]
    n = len(found)
    squares = (table**2).sum((1, 2))
    rows, columns = (table.sum(2) ** 2).sum(1), (table.sum(1) ** 2).sum(1)
    # Pairs of tasks: together in both, in one only, in neither (each pair twice).
    both, first, second = squares - n, rows - squares, columns - squares
    neither = n**2 - rows - columns + squares
    denominator = (both + first) * (first + neither) + (both + second) * (second + neither)
    same = (first == 0) & (second == 0)
    index = 2 * (both * neither - first * second) / np.where(denominator == 0, 1, denominator)
    return np.where(same, 1.0, index)


def _silhouette(weights: np.ndarray, codes: np.ndarray) -> float:
    from sklearn.metrics import silhouette_score

    distance = 1 - weights
    np.fill_diagonal(distance, 0.0)
    return float(silhouette_score(distance, codes, metric="precomputed"))
