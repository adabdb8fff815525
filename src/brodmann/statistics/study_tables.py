"""The long tables of ``results/statistics``, as figures, printed tables and the report read them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from brodmann.statistics.stages import confounds
from brodmann.statistics.stages.structure import TABLES
from brodmann.store.tables import read_table

# Table -> its columns.
COLUMNS = {**TABLES, "confounds": confounds.COLUMNS}


def read_statistics(path: str | Path) -> pd.DataFrame:
    """The file's name says which table it is, and so which columns must be there."""
    return read_table(path, COLUMNS[Path(path).stem])
