"""Tables on disk: square matrices with labels on both axes, and long tables with a header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from brodmann.errors import UserError
from brodmann.files import write_text


def write_matrix(path: str | Path, table: pd.DataFrame) -> None:
    """A square matrix as CSV: labels on both axes, first header cell empty."""
    write_text(path, table.to_csv(float_format="%.10g", lineterminator="\n"))


def read_matrix(path: str | Path) -> pd.DataFrame:
    """Read what ``write_matrix`` wrote."""
    try:
        return pd.read_csv(path, index_col=0)
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from None


def write_table(
    path: str | Path, rows: pd.DataFrame | Sequence[Mapping[str, object]], columns: Sequence[str]
) -> None:
    """A long table as CSV, with these columns in this order."""
    table = pd.DataFrame(rows, columns=list(columns))
    write_text(path, table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))


def read_table(path: str | Path) -> pd.DataFrame:
    """Read what ``write_table`` wrote; text that says "nan" stays text only in empty tables."""
    try:
        return pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise _damaged(path, error) from None


def _damaged(path: str | Path, error: Exception) -> UserError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError.at(
        str(path), f"cannot be read: {first}", "delete it and run again to rebuild it"
    )
