"""``brodmann export-lm-eval``: tasks for lm-evaluation-harness."""

from __future__ import annotations

import argparse

from brodmann.commands.common import known_tasks, loaded, positive, read_tasks, study_arguments
from brodmann.errors import UserError
from brodmann.tasks import catalogue, lm_eval
from brodmann.tasks.items import WORDINGS


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, tasks=True)
    add = parser.add_argument
    add("tasks", nargs="+", metavar="TASK_GLOB", help="globs over domain/task")
    add("--out", required=True, metavar="DIR", help="a new or empty folder, or an earlier export")
    add(
        "--format", choices=WORDINGS, default="completion", help="the wording (default: completion)"
    )
    add("--items", type=positive, metavar="N", help="per task (default: the config's)")
    add("--seed", type=int, metavar="S", help="of the items (default: the config's)")


def run(options: argparse.Namespace) -> int:
    """Write them, and say how they are used."""
    study = loaded(options).study
    if study.tasks.published is not None and options.seed is not None:
        raise UserError.at("--seed", "published items are not drawn", "leave it out")
    names = catalogue.select(known_tasks(study), options.tasks, "TASK_GLOB")
    items = read_tasks(study, names, options.items, options.seed)
    # A glob may take in what cannot be exported; a task that is asked for by name may not.
    skipped = [task for task in items if task.single_answer and task.task not in options.tasks]
    kept = [task for task in items if task not in skipped] or items
    folder = lm_eval.export(options.out, kept, options.format)
    for task in skipped:
        print(f"left out: {task.task} has a single answer; the harness cannot compare its prompts")
    print(f"{folder}: {len(kept)} tasks, {2 * sum(map(len, kept))} documents")
    print(f"Use it with: lm_eval --include_path {folder} --tasks brodmann ...")
    return 0
