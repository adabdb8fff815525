"""Holds what a figure shows, drawn from Python, against the CSV file that the workflow wrote beside it."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd

from brodmann.store.tables import write_frame, write_matrix


def assert_shows(table: pd.DataFrame, file: Path, place: Path) -> None:
    """Cell by cell; numbers but for their rounding. ``place``: a folder to write in."""
    written = place / file.name
    write = write_frame if table.index.dtype.kind in "iu" else write_matrix
    write(written, table)
    found, kept = (list(csv.reader(path.read_text().splitlines())) for path in (written, file))
    assert [len(row) for row in found] == [len(row) for row in kept], file.name
    for own, row in zip(found, kept, strict=True):
        for one, other in zip(own, row, strict=True):
            assert one == other or math.isclose(float(one), float(other), rel_tol=1e-6), file.name
