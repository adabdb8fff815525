"""``brodmann tasks``: which tasks the config selects, or which there are."""

from __future__ import annotations

import argparse

from brodmann.commands.common import known_tasks, loaded, read_task, study_arguments
from brodmann.errors import Problem, UserError
from brodmann.places import ROOT
from brodmann.tasks.catalogue import domain_of, task_titles
from brodmann.tasks.domains import label
from brodmann.tasks.items import TaskItems


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)
    says = "every task there is, whether the config selects it or not"
    parser.add_argument("--all", action="store_true", help=says)


def run(options: argparse.Namespace) -> int:
    """A task a line: its name, what figures call it, its domain, how many items in how many wordings; then
    what is wrong with any other."""
    study = loaded(options).study
    tasks = known_tasks(study) if options.all else list(study.tasks.selected)
    found: list[TaskItems] = []
    problems: list[Problem | str] = []
    for task in tasks:
        try:
            found.append(read_task(study, task))
        except UserError as error:
            problems += error.problems
    titles = task_titles(study.tasks.data(ROOT), [one.task for one in found])
    rows = [("task", "title", "domain", "items", "wordings")]
    rows += [
        (
            one.task,
            titles[one.task],
            label(domain_of(one.task)),
            str(len(one)),
            " ".join(one.wordings),
        )
        for one in found
    ]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, wide, strict=True)]
        cells[3] = row[3].rjust(wide[3])
        print("  ".join(cells).rstrip(), flush=True)
    if problems:
        raise UserError(*problems)
    return 0
