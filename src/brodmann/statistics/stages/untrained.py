"""Trained models beside the same ones untrained, on the tasks that both include."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brodmann.statistics.study_tables import Table
from brodmann.statistics.tested import Tested
from brodmann.statistics.untrained import Beside, beside

UNTRAINED = (
    *("model", "other", "component", "sel", "measure", "kind", "domain", "unit", "n", "n_tasks"),
    *("seed", "method", "within", "cross", "difference", "own_p", "other_within", "other_cross"),
    *("other_difference", "other_p", "excess", "low", "high", "permutations", "p", "q"),
)
_METHOD = (
    "trained less untrained model, tasks of both; p: domain labels of the difference shuffled, "
    "one-sided; 95 % interval: tasks resampled"
)


def untrained_rows(every: Sequence[Tested]) -> list[dict[str, Any]]:
    """A row per untrained control, matrix, and domain (or ``all``): published overlaps and what breaks."""
    models = {(one.model, *one.group): one for one in every}
    rows: list[dict[str, Any]] = []
    for other in every:
        own = models.get((other.trained, *other.group))
        if own is None or other.measure not in ("containment", "accuracy_drop"):
            continue
        number, found = beside(own.table, other.table, **own.settings.shuffling)
        shared = {**own.shared, "other": other.model, "n_tasks": number, "method": _METHOD}
        for domain, one in found.items():
            rows.append({**shared, **_compared(domain, one)})
    return rows


def _compared(domain: str, one: Beside) -> dict[str, Any]:
    return {
        "domain": domain,
        "n": one.n,
        "within": one.trained.within.mean,
        "cross": one.trained.cross.mean,
        "difference": one.trained.difference,
        "own_p": one.trained.p,
        "other_within": one.untrained.within.mean,
        "other_cross": one.untrained.cross.mean,
        "other_difference": one.untrained.difference,
        "other_p": one.untrained.p,
        "excess": one.excess,
        "low": one.low,
        "high": one.high,
        "p": one.p,
    }


TABLES = {"untrained": Table(UNTRAINED, untrained_rows)}
