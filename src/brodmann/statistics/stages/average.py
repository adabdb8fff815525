"""Averages over models: every overlap measure and every kind of ablation, with the counts beside."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from brodmann.statistics.inventory import Inventory
from brodmann.statistics.matrices import average
from brodmann.store.tables import read_matrix, write_matrix
from brodmann.tasks.catalogue import is_excluded

log = logging.getLogger(__name__)


def write_averages(inventory: Inventory, exclude: Sequence[str]) -> None:
    """Rule ``average``: all averages of the study, less the tasks that ``exclude`` names."""
    seen: set[str] = set()
    for one in inventory.averages:
        for measure in one.measures:
            matrices = {
                own.model: read_matrix(own.path(measure)) for own in inventory.contributing(one)
            }
            mean, count = average(matrices, exclude)
            write_matrix(one.path(measure), mean)
            write_matrix(one.count_path(measure), count)
            seen |= {task for matrix in matrices.values() for task in matrix.index}
    for glob in exclude:
        if not any(is_excluded(task, [glob]) for task in seen):
            log.warning("average.exclude: '%s' names no task of these models", glob)
