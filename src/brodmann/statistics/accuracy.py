"""The accuracy table: every model on every task."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from brodmann.errors import UserError
from brodmann.files import REBUILD, incomplete, read_dicts, read_json, write_text
from brodmann.tasks.catalogue import domain_of, sort_key


@dataclass(frozen=True)
class Accuracy:
    """One cell: shares are over the aligned items, None where there are none."""

    model: str
    domain: str
    task: str
    both_correct_accuracy: float | None
    clean_accuracy: float | None
    corrupted_accuracy: float | None
    n_items: int | None
    n_aligned: int | None
    n_both_correct: int | None
    included: bool
    reason: str


@dataclass(frozen=True)
class AccuracyTable:
    """Cells of all (model, task) pairs; models and tasks in the order in which they are shown."""

    models: list[str]
    tasks: list[str]
    cells: dict[tuple[str, str], Accuracy]

    def joined(self, other: AccuracyTable) -> AccuracyTable:
        """Both tables' models over the tasks of either; a cell that neither has holds nothing."""
        models = [*self.models, *other.models]
        tasks = sorted({*self.tasks, *other.tasks}, key=sort_key)
        cells = {**self.cells, **other.cells}
        missing = {
            (model, task): _unknown(model, task, "not run")
            for model in models
            for task in tasks
            if (model, task) not in cells
        }
        return AccuracyTable(models, tasks, {**cells, **missing})

    def write_csv(self, path: str | Path) -> None:
        """Tidy: one row per cell."""
        names = [field.name for field in fields(Accuracy)]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        for model in self.models:
            for task in self.tasks:
                writer.writerow(asdict(self.cells[model, task]))
        write_text(path, stream.getvalue())


def accuracy_table(
    results: str | Path, models: Sequence[str], tasks: Sequence[str]
) -> AccuracyTable:
    """Read the baselines under ``results``."""
    taken = {field.name for field in fields(Accuracy)} - {"model", "domain", "task"}
    cells = {}
    for model in models:
        for task in tasks:
            path = Path(results) / model / "baseline" / f"{task}.json"
            record = read_json(path)
            try:
                values = {name: record[name] for name in taken}
            except (KeyError, TypeError):
                raise incomplete(path) from None
            cells[model, task] = Accuracy(model, domain_of(task), task, **values)
    return AccuracyTable(list(models), list(tasks), cells)


def imported_accuracies(
    files: Mapping[str, str], included: Mapping[str, Sequence[str]]
) -> AccuracyTable:
    """The accuracies of results-only models: model -> their table. Only the shares are known of these.

    ``included``: model -> the tasks that its matrices have.
    """
    cells, tasks = {}, []
    for model, path in files.items():
        for row in read_dicts(path, ("task", "both_correct_accuracy")):
            task, share = row["task"], row["both_correct_accuracy"]
            tasks.append(task)
            try:
                known = float(share) if share else None
            except ValueError:
                raise UserError.at(path, f"{share[:40]!r} is not a share", REBUILD) from None
            unknown = _unknown(model, task, "taken over")
            cells[model, task] = replace(unknown, both_correct_accuracy=known)
    known_tasks = sorted(set(tasks), key=sort_key)
    for model in files:
        for task in known_tasks:
            cell = cells.get((model, task), _unknown(model, task, "not known"))
            there = task in included.get(model, ())
            reason = cell.reason if there else "not in the matrices that were taken over"
            cells[model, task] = replace(cell, included=there, reason=reason)
    return AccuracyTable(list(files), known_tasks, cells)


def _unknown(model: str, task: str, reason: str) -> Accuracy:
    return Accuracy(
        model,
        domain_of(task),
        task,
        both_correct_accuracy=None,
        clean_accuracy=None,
        corrupted_accuracy=None,
        n_items=None,
        n_aligned=None,
        n_both_correct=None,
        included=False,
        reason=reason,
    )
