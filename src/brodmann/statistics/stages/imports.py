"""Results-only models: matrices of the published study (or of brodmann elsewhere) take their place."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from brodmann.circuits.overlap import doubly_stochastic
from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.files import read_json
from brodmann.statistics.matrices import jaccard_of, read_foreign_matrix
from brodmann.store.tables import write_matrix, write_table
from brodmann.tasks import domains
from brodmann.tasks.catalogue import TASK_NAME, sort_key
from brodmann.tasks.published import our_name

log = logging.getLogger(__name__)

ACCURACY_COLUMNS = ("task", "both_correct_accuracy")
# How tables of accuracies name the domains, beside our own names.
_DOMAIN_NAMES = {"physics": "physical", "lan": "language", "md": "formal", "tom": "social"}


def import_overlap(source: str, outputs: Mapping[str, str]) -> None:
    """Rule ``import_overlap``. ``outputs``: measure -> path; ``source`` holds the containments.

    The published circuits of a model all have k units, hence Jaccard = c / (2 - c). A folder of ours has
    the other measures beside the containments.
    """
    contained = read_foreign_matrix(source, low=0.0, symmetric=True)
    tables = {"containment": contained}
    for measure in ("jaccard", "doubly_stochastic"):
        beside = Path(source.removesuffix(".containment.csv") + f".{measure}.csv")
        if source.endswith(".containment.csv") and beside.is_file():
            # Scaling ends when sums are right: the two directions may differ by a little more than rounding.
            same = measure != "doubly_stochastic"
            tables[measure] = read_foreign_matrix(beside, low=0.0, symmetric=same)
    tables.setdefault("jaccard", jaccard_of(contained))
    if "doubly_stochastic" not in tables:
        scaled, empty = doubly_stochastic(contained.to_numpy())
        tables["doubly_stochastic"] = pd.DataFrame(scaled, contained.index, contained.columns)
        for row in empty:
            log.warning("%s: %s cannot be scaled: NaN", source, contained.index[row])
    for measure, path in outputs.items():
        write_matrix(path, tables[measure])


def import_drop(source: str, output: str) -> None:
    """Rule ``import_drop``: accuracy lost, rows the silenced circuits."""
    write_matrix(output, read_foreign_matrix(source, low=-1.0))


def import_accuracies(
    output: str, *, table: tuple[str, str] | None, baselines: Mapping[str, str]
) -> None:
    """Rule ``import_accuracies``. ``table``: file and column; ``baselines``: task -> file of ours.

    Neither: the model has no accuracies, and the file a header only.
    """
    if table is not None:
        shares = read_accuracy_table(*table)
    else:
        shares = {task: _baseline_share(path) for task, path in baselines.items()}
    rows = [
        {"task": task, "both_correct_accuracy": shares[task]}
        for task in sorted(shares, key=sort_key)
    ]
    write_table(output, rows, ACCURACY_COLUMNS)


def _baseline_share(path: str) -> float:
    try:
        share = read_json(path)["both_correct_accuracy"]
        return float("nan") if share is None else float(share)
    except (KeyError, TypeError, ValueError):
        raise UserError.at(path, "holds no both_correct_accuracy") from None


def read_accuracy_table(path: str | Path, column: str) -> dict[str, float]:
    """task -> share, from a table with the columns Domain, Task and one per model, in per cent."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            table = csv.DictReader(handle)
            rows, names = list(table), list(table.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError.at(str(path), f"cannot be read as CSV: {error}") from None
    missing = [name for name in ("Domain", "Task", column) if name not in names]
    if missing:
        raise UserError(
            *[
                Problem(str(path), f"no column '{name}'", did_you_mean(name, filter(None, names)))
                for name in missing
            ]
        )
    shares, problems = {}, []
    for number, row in enumerate(rows, start=2):
        where = f"{path}:{number}"
        domain = (row["Domain"] or "").strip().lower()
        domain = _DOMAIN_NAMES.get(domain, domain)
        if domain not in domains.names():
            hint = did_you_mean(domain, domains.names())
            problems.append(Problem(where, f"unknown domain {row['Domain']!r}", hint))
        name = our_name((row["Task"] or "").strip())
        task = f"{domain}/{name}"
        if not TASK_NAME.fullmatch(f"x/{name}"):
            problems.append(Problem(where, f"{row['Task']!r} is not a task's name"))
        elif task in shares:
            problems.append(Problem(where, f"'{task}' is there twice"))
        text = (row[column] or "").strip()
        try:
            share = float(text) / 100 if text else float("nan")
        except ValueError:
            problems.append(Problem(where, f"{text[:40]!r} is not a number"))
            continue
        if share < 0 or share > 1:
            problems.append(Problem(where, f"{text} is not between 0 and 100 per cent"))
        shares[task] = share
    if problems:
        raise UserError(*problems[:20])
    return shares
