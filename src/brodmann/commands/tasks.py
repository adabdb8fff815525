"""``brodmann tasks``: which tasks the config selects, or which there are."""

from __future__ import annotations

import argparse

from brodmann.commands.common import ROOT, known_tasks, loaded, read_tasks, study_arguments
from brodmann.tasks.catalogue import domain_of, task_titles
from brodmann.tasks.domains import label


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)
    says = "every task there is, whether the config selects it or not"
    parser.add_argument("--all", action="store_true", help=says)


def run(options: argparse.Namespace) -> int:
    """A task a line: its name, what figures call it, its domain, how many items in how many wordings."""
    study = loaded(options).study
    tasks = known_tasks(study) if options.all else list(study.tasks.selected)
    titles = task_titles(study.tasks.data(ROOT), tasks)
    rows = [("task", "title", "domain", "items", "wordings")]
    rows += [
        (
            one.task,
            titles[one.task],
            label(domain_of(one.task)),
            str(len(one)),
            " ".join(one.wordings),
        )
        for one in read_tasks(study, tasks)
    ]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, wide, strict=True)]
        cells[3] = row[3].rjust(wide[3])
        print("  ".join(cells).rstrip())
    return 0
