"""Results as CSV: tables of rows, and square matrices with labels; floats to ten digits."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from brodmann.errors import UserError
from brodmann.files import REBUILD, read_rows, write_text

if TYPE_CHECKING:
    import pandas as pd


def write_table(
    path: str | Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str]
) -> None:
    """One line per row, with every column; NaN, and what a row does not have, is an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([_cell(row.get(column, "")) for column in columns] for row in rows)
    write_text(path, text.getvalue())


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.10g}"


def write_frame(path: str | Path, table: pd.DataFrame) -> None:
    """A table that is a DataFrame already; its index is left out."""
    columns = [str(column) for column in table.columns]
    write_table(path, table.to_dict("records"), columns)


def write_matrix(path: str | Path, table: pd.DataFrame) -> None:
    """A square matrix: labels on both axes, first header cell empty."""
    write_text(path, table.to_csv(float_format="%.10g", lineterminator="\n"))


def read_matrix(path: str | Path) -> pd.DataFrame:
    """Read what ``write_matrix`` wrote: the same labels on both axes, numbers between them."""
    # Imported here: jobs that only write tables need not wait for it.
    import pandas as pd

    (_, *labels), *body = read_rows(path)
    if [row[0] for row in body] != labels or len(set(labels)) < len(labels):
        raise UserError.at(str(path), "its rows are not labelled as its columns", REBUILD)
    try:
        values = [[float(cell) if cell else math.nan for cell in row[1:]] for row in body]
    except ValueError as error:
        raise UserError.at(str(path), f"cannot be read: {error}", REBUILD) from None
    return pd.DataFrame(values, index=labels, columns=labels, dtype=float)


def read_table(path: str | Path, columns: Iterable[str] = ()) -> pd.DataFrame:
    """Read what ``write_table`` wrote; an empty cell is NaN. ``columns`` must be there."""
    import pandas as pd

    head, *_ = read_rows(path)
    if missing := [column for column in columns if column not in head]:
        raise UserError.at(str(path), f"no column '{missing[0]}'", REBUILD)
    try:
        # A model may be called NA, null or 001.
        names = dict.fromkeys(("model", "other", "label", "dataset", "dataset_a", "dataset_b"), str)
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=names)
    except (ValueError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError.at(str(path), f"cannot be read: {first}", REBUILD) from None
