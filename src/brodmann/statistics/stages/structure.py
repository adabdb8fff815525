"""Rule ``structure``: every table of tests on the matrices of the study.

One row per model (or ``average``), component, selection, and measure of overlap or kind of ablation. The
``control`` column marks models that are shown but enter no average and no comparison between models.
"""

from __future__ import annotations

from collections.abc import Mapping

from brodmann.config.statistics import StatisticsSettings
from brodmann.significance.fdr import with_q
from brodmann.statistics.inventory import Inventory
from brodmann.statistics.study_tables import table
from brodmann.statistics.tested import matrices
from brodmann.store.progress import progress
from brodmann.store.tables import write_table


def write_structure(
    inventory: Inventory, settings: StatisticsSettings, outputs: Mapping[str, str]
) -> None:
    """``outputs``: table -> path."""
    every = matrices(inventory, settings)
    with progress(len(every), "testing matrices", "matrix") as bar:
        for one in every:
            one.test()
            bar.update()
    for name, path in outputs.items():
        own = table(name)
        assert own.rows is not None, f"{name} is made of all matrices"
        rows = own.rows(every)
        write_table(path, with_q(rows) if "q" in own.columns else rows, own.columns)
