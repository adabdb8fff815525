"""``brodmann tasks``: which tasks the config selects."""

from __future__ import annotations

import argparse

from brodmann.commands.common import loaded, study_arguments


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """A task a line."""
    for task in loaded(options).study.tasks.selected:
        print(task)
    return 0
