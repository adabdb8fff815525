"""The long tables of ``results/statistics``: their columns, rows, and what of them a paper prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from brodmann.config.statistics import StatisticsSettings
from brodmann.files import write_text
from brodmann.statistics.inventory import Inventory
from brodmann.statistics.printed import Printed, Printing
from brodmann.statistics.registry import JOBS, STATISTICS
from brodmann.statistics.tested import Tested
from brodmann.store.tables import read_table


@dataclass(frozen=True)
class Table:
    """One long table.

    ``rows``: of all matrices, for what the rule ``structure`` writes; with the column ``q``, it is filled in.
    ``printed``: as a paper prints it, rows of overlap at the size of circuits that is shown and rows of
    ablations at theirs; or all rows at one of the two (``size``: ``overlap`` or ``ablation``).
    """

    columns: tuple[str, ...]
    rows: Callable[[tuple[Tested, ...]], list[dict[str, Any]]] | None = None
    printed: Printing | None = None
    size: str = ""


def table(name: str) -> Table:
    """The table of that name."""
    module = import_module(f"brodmann.statistics.stages.{STATISTICS[name].module}")
    found: Table = module.TABLES[name]
    return found


def write_statistics(
    rule: str,
    inventory: Inventory,
    settings: StatisticsSettings,
    outputs: Mapping[str, str],
    surfaces: Mapping[str, str],
) -> None:
    """The tables of a rule. ``outputs``: table -> path; ``surfaces``: model -> its similarities."""
    job = next(job for job in JOBS if job.rule == rule)
    module, _, name = job.write.partition(":")
    write = getattr(import_module(f"brodmann.statistics.stages.{module}"), name)
    more = {"surfaces": surfaces} if job.surfaces else {}
    write(inventory, settings, outputs, **more)


def read_statistics(path: str | Path) -> pd.DataFrame:
    """The file's name says which table it is, and so which columns must be there."""
    return read_table(path, table(Path(path).stem).columns)


def write_printed(
    inputs: Sequence[str], outputs: Sequence[str], selection: str, ablated: str
) -> None:
    """Rule ``printed_tables``: for every {table}.csv a {table}.md and a {table}.tex.

    ``selection``: of the circuits that are compared; ``ablated``: of those that are silenced.
    """
    sources = {Path(path).stem: path for path in inputs}
    for output in outputs:
        name, tex = Path(output).stem, output.endswith(".tex")
        found = printed_tables(name, read_statistics(sources[name]), selection, ablated)
        write_text(output, "\n".join(one.latex() if tex else one.markdown() for one in found))


def printed_tables(name: str, rows: pd.DataFrame, selection: str, ablated: str) -> list[Printed]:
    """What a paper prints of a long table."""
    own = table(name)
    if own.printed is None:
        return []
    if own.size:
        return own.printed(rows, selection if own.size == "overlap" else ablated)
    drops = rows["measure"] == "accuracy_drop"
    return [*own.printed(rows[~drops], selection), *own.printed(rows[drops], ablated)]
