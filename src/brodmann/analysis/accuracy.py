"""The accuracy table: every model on every task."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from brodmann.files import read_json, write_text
from brodmann.tasks.catalogue import domain_of


@dataclass(frozen=True)
class Accuracy:
    """One cell: shares are over the aligned items, None where there are none."""

    model: str
    domain: str
    task: str
    both_correct_accuracy: float | None
    clean_accuracy: float | None
    corrupted_accuracy: float | None
    n_items: int
    n_aligned: int
    n_both_correct: int
    included: bool
    reason: str


@dataclass(frozen=True)
class AccuracyTable:
    """Cells of all (model, task) pairs; models and tasks in the order in which they are shown."""

    models: list[str]
    tasks: list[str]
    cells: dict[tuple[str, str], Accuracy]

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
            record = read_json(Path(results) / model / "baseline" / f"{task}.json")
            values = {name: record[name] for name in taken}
            cells[model, task] = Accuracy(model, domain_of(task), task, **values)
    return AccuracyTable(list(models), list(tasks), cells)
