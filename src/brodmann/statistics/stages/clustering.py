"""Clusters of tasks against their domains, and which task is in which cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brodmann.statistics.clustering import NEIGHBOURS
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import KEYS, Tested

CLUSTERING = (
    *KEYS,
    *("neighbours", "clusters", "ari", "nmi", "ami", "v_measure", "silhouette", "permutations"),
    *("p", "q"),
)
ASSIGNMENTS = ("model", "component", "sel", "measure", "kind", "task", "domain", "cluster")
SCORES = ("ari", "nmi", "ami", "v_measure", "silhouette")
_METHOD = "average linkage on the graph of nearest tasks; p: domain labels shuffled, one-sided"


def clustering_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix."""
    return [
        {
            **one.shared,
            "method": _METHOD,
            "neighbours": NEIGHBOURS,
            "clusters": len(set(one.recovery.labels)),
            **scores(one),
            "p": one.recovery.p,
        }
        for one in every
    ]


def scores(one: Tested) -> dict[str, float]:
    """Agreement of clusters with domains, by every measure."""
    return {name: getattr(one.recovery, name) for name in SCORES}


def cluster_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per matrix and task."""
    return [
        {**one.keys, "task": task, "domain": domain, "cluster": label}
        for one in every
        for task, domain, label in zip(
            one.table.index, one.domains, one.recovery.labels, strict=True
        )
    ]


TABLES = {
    "clustering": Table(CLUSTERING, clustering_rows),
    "clusters": Table(ASSIGNMENTS, cluster_rows),
}
