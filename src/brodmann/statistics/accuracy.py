"""The accuracy table: every model on every task, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from brodmann.errors import UserError
from brodmann.files import REBUILD, incomplete, read_dicts, read_json
from brodmann.tasks.catalogue import domain_of, sort_key

# Shares are over the aligned items, None where there are none. These are read off baselines.
_MEASURED = (
    *("both_correct_accuracy", "clean_accuracy", "corrupted_accuracy", "n_items", "n_aligned"),
    *("n_both_correct", "included", "reason"),
)
COLUMNS = ("model", "domain", "task", *_MEASURED)


def accuracy_table(
    baselines: Sequence[str | Path], models: Sequence[str], tasks: Sequence[str]
) -> pd.DataFrame:
    """Read the ``baselines``: all tasks of the first model, then those of the next."""
    rows = []
    for (model, task), path in zip(product(models, tasks), baselines, strict=True):
        record = read_json(path)
        try:
            rows.append(_row(model, task, **{name: record[name] for name in _MEASURED}))
        except (KeyError, TypeError):
            raise incomplete(path) from None
    return _table(rows)


def imported_accuracies(
    files: Mapping[str, str], included: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The accuracies of results-only models: model -> their table. Only the shares are known of these.

    ``included``: model -> the tasks that its matrices have.
    """
    shares: dict[tuple[str, str], float | None] = {}
    for model, path in files.items():
        for row in read_dicts(path, ("task", "both_correct_accuracy")):
            text = row["both_correct_accuracy"]
            try:
                shares[model, row["task"]] = float(text) if text else None
            except ValueError:
                raise UserError.at(path, f"{text[:40]!r} is not a share", REBUILD) from None
    rows = []
    for model, task in product(files, sorted({task for _, task in shares}, key=sort_key)):
        there = task in included.get(model, ())
        reason = "taken over" if (model, task) in shares else "not known"
        reason = reason if there else "not in the matrices that were taken over"
        share = shares.get((model, task))
        rows.append(_row(model, task, both_correct_accuracy=share, included=there, reason=reason))
    return _table(rows)


def joined(tables: Sequence[pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    """All ``models`` over the tasks of any table; a cell that none has holds nothing."""
    rows = [row for table in tables for row in table.to_dict("records")]
    found = {(row["model"], row["task"]): row for row in rows}
    tasks = sorted({task for _, task in found}, key=sort_key)
    empty: dict[str, Any] = {"included": False, "reason": "not run"}
    return _table([found.get(cell) or _row(*cell, **empty) for cell in product(models, tasks)])


def _row(model: str, task: str, **known: Any) -> dict[str, Any]:
    own = {"model": model, "domain": domain_of(task), "task": task}
    return {**dict.fromkeys(COLUMNS), **own, **known}


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Of objects, so that counts stay whole where some are not known."""
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
