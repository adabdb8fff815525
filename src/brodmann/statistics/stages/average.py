"""Averages over models: every overlap measure and every kind of ablation, with the counts beside."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from brodmann.statistics.inventory import MEASURES, Inventory
from brodmann.statistics.matrices import average
from brodmann.store.tables import read_matrix, write_matrix
from brodmann.tasks.catalogue import is_excluded

log = logging.getLogger(__name__)


def write_averages(inventory: Inventory, exclude: Sequence[str]) -> None:
    """Rule ``average``: all averages of the study, less the tasks that ``exclude`` names."""
    seen: set[str] = set()
    for one in inventory.average_overlaps:
        for measure in MEASURES:
            sources = {o.model: o.path(measure) for o in inventory.contributing(one)}
            seen |= _write(sources, exclude, one.path(measure), one.count_path(measure))
    for drop in inventory.average_drops:
        sources = {o.model: o.path for o in inventory.contributing(drop)}
        seen |= _write(sources, exclude, drop.path, drop.count_path)
    for glob in exclude:
        if not any(is_excluded(task, [glob]) for task in seen):
            log.warning("average.exclude: '%s' names no task of these models", glob)


def _write(
    sources: dict[str, str], exclude: Sequence[str], output: str, count_output: str
) -> set[str]:
    """Average one matrix; returns the tasks that there were before any was left out."""
    matrices = {model: read_matrix(path) for model, path in sources.items()}
    mean, count = average(matrices, exclude)
    write_matrix(output, mean)
    write_matrix(count_output, count)
    return {task for matrix in matrices.values() for task in matrix.index}
