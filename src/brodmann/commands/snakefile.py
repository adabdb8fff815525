"""``brodmann snakefile``: where the workflow is, in a clone or among installed packages."""

from __future__ import annotations

import argparse

from brodmann.places import SNAKEFILE


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given: nothing."""


def run(options: argparse.Namespace) -> int:
    """Print the path."""
    print(SNAKEFILE)
    return 0
