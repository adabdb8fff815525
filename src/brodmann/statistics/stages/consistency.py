"""Agreement of models: Kendall's tau of every two, and its mean over them."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

from brodmann.config.statistics import PAIRWISE
from brodmann.statistics.consistency import MIN_TASKS, Consistency, consistency
from brodmann.statistics.inventory import ALL, AVERAGE
from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import Tested

log = logging.getLogger(__name__)

CONSISTENCY = (
    *("model", "other", "component", "sel", "measure", "kind", "unit", "n", "n_tasks", "seed"),
    *("method", "tau", "sd", "n_pairs", "most_tasks", "note"),
)


def consistency_rows(every: tuple[Tested, ...]) -> list[dict[str, Any]]:
    """For each kind of matrix a row per two models, and one over all."""
    return [row for matrix, found in agreed(every) for row in _rows(matrix, found)]


@lru_cache(maxsize=1)
def agreed(every: tuple[Tested, ...]) -> list[tuple[Tested, Consistency]]:
    """For each kind of matrix that two models or more have: one of them, and the comparison."""
    groups: dict[tuple[str, ...], list[Tested]] = {}
    for matrix in every:
        if not matrix.control and matrix.model != AVERAGE:
            groups.setdefault(matrix.group, []).append(matrix)
    found = []
    for group in groups.values():
        if len(group) > 1:
            tables = {matrix.model: matrix.table for matrix in group}
            pairwise = group[0].settings.consistency == PAIRWISE
            found.append(
                (group[0], consistency(tables, directed=bool(group[0].kind), pairwise=pairwise))
            )
    return found


def spread(matrix: Tested, found: Consistency) -> float:
    """Over model pairs; the published one for ablations divides by n."""
    return found.sd(0 if matrix.kind else 1)


def _rows(matrix: Tested, found: Consistency) -> list[dict[str, Any]]:
    cells = "all off-diagonal cells" if matrix.kind else "upper triangle"
    tasks = "tasks that both models include" if found.pairwise else "tasks common to all models"
    shared = {**matrix.keys, "unit": "Kendall's tau-b", "seed": matrix.settings.seed}
    rows = [
        {
            **shared,
            "method": f"{cells} of the {tasks}",
            "model": one.first,
            "other": one.second,
            "n": one.n,
            "n_tasks": one.n_tasks,
            "tau": one.tau,
            "note": _too_few(one.n_tasks, found.pairwise),
        }
        for one in found.pairs
    ]
    ddof = "n" if matrix.kind else "n - 1"
    fewest, most = found.n_tasks
    summary = {
        "method": f"mean over model pairs, SD with {ddof}; {cells} of the {tasks}",
        "model": ALL,
        "other": ALL,
        "n": len(found.pairs),
        "n_pairs": len(found.pairs),
        "n_tasks": fewest,
        "most_tasks": most,
        "tau": found.mean(),
        "sd": spread(matrix, found),
        "note": _too_few(fewest, found.pairwise),
    }
    if summary["note"]:
        what = f"{matrix.sel} {matrix.kind or matrix.measure}"
        log.warning("agreement of models, %s: %s", what, summary["note"])
    return [*rows, {**shared, **summary}]


def _too_few(tasks: int, pairwise: bool) -> str:
    """Says so where too few tasks are left to compare models on, and what helps."""
    if tasks >= MIN_TASKS:
        return ""
    if pairwise:
        return f"two models share {tasks} tasks only (fewer than {MIN_TASKS})"
    return (
        f"{tasks} tasks are common to all models (fewer than {MIN_TASKS}); statistics.consistency: pairwise "
        "compares every two models on their own"
    )


TABLES = {"consistency": Table(CONSISTENCY, consistency_rows)}
