"""Matrices of tasks by tasks: read from the published layout, put into order, averaged over models.

Rows and columns are labelled ``domain/task``. Cells that were not measured are NaN. In an overlap matrix
both directions of a pair are the same; in an ablation matrix rows are the silenced circuits (sources) and
columns the tasks that they are tested on (targets).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brodmann.errors import Problem, UserError
from brodmann.tasks import domains
from brodmann.tasks.catalogue import TASK_NAME, domain_of, is_excluded, sort_key
from brodmann.tasks.published import our_label

# Published shares are rounded to four decimals; what lies outside by more is not a share.
_ROUNDING = 5e-4


def read_foreign_matrix(
    path: str | Path, *, low: float, high: float = 1.0, symmetric: bool = False
) -> pd.DataFrame:
    """A matrix from outside this study (published labels, or ours), square and in our order.

    Labels are renamed to ours, axes reordered; empty cells are NaN, a task on one axis only has NaN on
    the other. Values must lie in [low, high]. Where they are ``symmetric``, both directions of a pair must
    be the same, so that effects of lesions are not taken for overlaps. Every problem is reported at once.
    """
    rows = _read_rows(path)
    columns, problems = _labels(path, "column", rows[0][1:])
    body = rows[1:]
    index, row_problems = _labels(path, "row", [row[0] for row in body])
    problems += row_problems
    values = np.full((len(body), len(columns)), np.nan)
    for number, row in enumerate(body):
        where = f"{path}: row '{row[0]}'"
        if len(row) != len(columns) + 1:
            problems.append(
                Problem(where, f"has {len(row) - 1} values, the header names {len(columns)}")
            )
            continue
        for column, text in enumerate(row[1:]):
            value, problem = _number(text, low, high)
            values[number, column] = value
            if problem:
                problems.append(Problem(f"{where}, column '{rows[0][column + 1]}'", problem))
    if problems:
        raise UserError(*problems[:20])
    tasks = sorted({*index, *columns}, key=sort_key)
    table = pd.DataFrame(values, index, columns).reindex(index=tasks, columns=tasks)
    if symmetric:
        _check_symmetric(path, table)
    return table


def _check_symmetric(path: str | Path, table: pd.DataFrame) -> None:
    """Of cells that are there in both directions."""
    apart = np.abs(table.to_numpy() - table.to_numpy().T)
    wrong = np.argwhere(apart > _ROUNDING)
    if len(wrong):
        row, column = (table.index[number] for number in wrong[0])
        raise UserError.at(
            str(path),
            f"{row} with {column} is {table.at[row, column]:g}, the other way round "
            f"{table.at[column, row]:g}",
            "overlaps are the same in both directions: is this another kind of matrix?",
        )


def _read_rows(path: str | Path) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except OSError as error:
        raise UserError.at(str(path), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError.at(str(path), "is not UTF-8 text") from None
    except csv.Error as error:
        raise UserError.at(str(path), f"is not CSV: {error}") from None
    if not rows:
        raise UserError.at(str(path), "is empty", "a matrix with labels on both axes is needed")
    return rows


def _labels(path: str | Path, axis: str, labels: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Our names of an axis' labels, and what is wrong with them."""
    names, problems = [], []
    for label in labels:
        name = our_label(label.strip())
        if domain_of(name) not in domains.names() or not TASK_NAME.fullmatch(name):
            problems.append(
                Problem(
                    f"{path}: {axis} '{label}'",
                    "is not domain/task",
                    f"domains: {', '.join(domains.names())} (or Lan, MD, phys, ToM)",
                )
            )
        elif name in names:
            problems.append(Problem(f"{path}: {axis} '{label}'", f"'{name}' is there twice"))
        names.append(name)
    return names, problems


def _number(text: str, low: float, high: float) -> tuple[float, str]:
    """A cell's value, and what is wrong with it; an empty cell is NaN."""
    if text.strip().lower() in ("", "nan"):
        return np.nan, ""
    try:
        value = float(text)
    except ValueError:
        return np.nan, f"{text[:40]!r} is not a number"
    if not low - _ROUNDING <= value <= high + _ROUNDING:
        return np.nan, f"{value} is outside [{low:g}, {high:g}]"
    return value, ""


def jaccard_of(contained: pd.DataFrame) -> pd.DataFrame:
    """Jaccard of two sets of the same size k, from their containment c: c / (2 - c).

    A task that has nothing in common with itself has an empty circuit; of two such it is NaN.
    """
    empty = pd.Series(np.diag(contained) == 0, contained.index) & ~contained.any(axis=1)
    return (contained / (2 - contained)).mask(np.outer(empty, empty))


def kept_tasks(tasks: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """``tasks`` without those that a glob of ``average.exclude`` names."""
    return [task for task in tasks if not is_excluded(task, exclude)]


def average(
    matrices: Mapping[str, pd.DataFrame], exclude: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(mean, count) over the models that have the cell, over the union of their tasks less ``exclude``.

    A cell that no model has is NaN, with count 0.
    """
    union = {task for matrix in matrices.values() for task in matrix.index}
    tasks = kept_tasks(sorted(union, key=sort_key), exclude)
    stack = np.full((len(matrices), len(tasks), len(tasks)), np.nan)
    for number, matrix in enumerate(matrices.values()):
        stack[number] = matrix.reindex(index=tasks, columns=tasks).to_numpy(dtype=float)
    finite = np.isfinite(stack)
    count = finite.sum(0)
    total = np.where(finite, stack, 0.0).sum(0)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return pd.DataFrame(mean, tasks, tasks), pd.DataFrame(count, tasks, tasks)
