"""Results as CSV: tables of rows, and square matrices with labels; floats to ten digits."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brodmann.files import write_text

if TYPE_CHECKING:
    import pandas as pd


def write_table(
    path: str | Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str]
) -> None:
    """One line per row, with every column; NaN becomes an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row[column]) for column in columns] for row in rows)
    write_text(path, text.getvalue())


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.10g}"


def write_matrix(path: str | Path, table: pd.DataFrame) -> None:
    """A square matrix: labels on both axes, first header cell empty."""
    write_text(path, table.to_csv(float_format="%.10g", lineterminator="\n"))


def read_matrix(path: str | Path) -> pd.DataFrame:
    """Read what ``write_matrix`` wrote."""
    # Imported here: jobs that only write tables need not wait for it.
    import pandas as pd

    return pd.read_csv(path, index_col=0)
