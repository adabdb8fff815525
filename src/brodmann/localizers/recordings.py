"""A user's stimuli, and what was recorded for them: text and CSV files.

A folder in the form of a Brain-Score stimulus set is read by ``localizers.stimulus_set``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brodmann.errors import UserError
from brodmann.files import read_text


@dataclass(frozen=True)
class Stimuli:
    """A user's texts, and which of them belong together (by default none)."""

    texts: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Recordings:
    """Stimuli x voxels, in the stimuli's order; of repeated measurements their mean, and they themselves."""

    names: tuple[str, ...]
    values: np.ndarray  # float64 [stimuli, voxels]
    repeats: np.ndarray | None = (
        None  # float64 [measurements, stimuli, voxels]; none if there is one
    )
    by_subject: bool = False  # each measurement is another subject's
    subjects: tuple[str, ...] = ()  # whose voxel each is, where several subjects have their own
    left_out: int = 0  # voxels that were not recorded for every stimulus


def read_stimuli(path: str | Path) -> Stimuli:
    """A text a line, or a CSV file with a column ``text`` and, if it likes, ``group``."""
    content = read_text(path, "utf-8-sig")
    if not str(path).lower().endswith(".csv"):
        texts = [line.strip() for line in content.splitlines() if line.strip()]
        return stimuli_of(path, texts, None)
    rows = list(csv.DictReader(io.StringIO(content)))
    if not rows or rows[0].get("text") is None:
        raise UserError.at(str(path), "there is no column text", "or give a .txt, one text a line")
    for number, row in enumerate(rows, start=2):
        if not (row["text"] or "").strip():
            raise UserError.at(str(path), f"line {number} has no text")
    grouped = "group" in rows[0]
    return stimuli_of(
        path, [r["text"] for r in rows], [r["group"] for r in rows] if grouped else None
    )


def stimuli_of(path: str | Path, texts: Sequence[str], groups: Sequence[str] | None) -> Stimuli:
    """The stimuli of a file; each is a group of its own where there are none."""
    if not texts:
        raise UserError.at(str(path), "there are no texts", "one a line")
    own = groups or [str(number) for number in range(len(texts))]
    return Stimuli(tuple(texts), tuple(own))


def read_recordings(path: str | Path, n_stimuli: int) -> Recordings:
    """A CSV file with a header: a row per stimulus, a column per voxel; a column ``stimulus`` is left out."""
    rows = list(csv.reader(io.StringIO(read_text(path, "utf-8-sig"))))
    header = rows[0] if rows else []
    kept = [number for number, name in enumerate(header) if name.strip() not in ("", "stimulus")]
    if not kept:
        raise UserError.at(str(path), "there are no voxels", "a header, then a row per stimulus")
    if len(rows) - 1 != n_stimuli:
        raise UserError.at(str(path), f"{len(rows) - 1} rows for {n_stimuli} stimuli")
    values = np.empty((n_stimuli, len(kept)))
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise UserError.at(str(path), f"line {line} has {len(row)} cells, not {len(header)}")
        for place, number in enumerate(kept):
            try:
                values[line - 2, place] = float(row[number])
            except ValueError:
                values[line - 2, place] = np.nan
            if not np.isfinite(values[line - 2, place]):
                what = f"line {line}, column {header[number]}: '{row[number]}' is no number"
                raise UserError.at(str(path), what, "leave out stimuli that were not recorded")
    return Recordings(tuple(header[number] for number in kept), values)


def read_repeated(paths: Sequence[str | Path], n_stimuli: int) -> Recordings:
    """One file, or one for each repeated measurement: the same voxels in the same order."""
    every = [read_recordings(path, n_stimuli) for path in paths]
    for path, one in zip(paths, every, strict=True):
        if one.names != every[0].names:
            what = f"its voxels are not those of {paths[0]}"
            raise UserError.at(str(path), what, "repeated measurements have the same columns")
    if len(every) == 1:
        return every[0]
    repeats = np.stack([one.values for one in every])
    return replace(every[0], values=repeats.mean(0), repeats=repeats)
