"""Words behind ``--configfile`` that are no files: Snakemake takes all that stand there for config files.

It opens them before it reads the Snakefile. So this is called by the default profile, which it reads before,
and which reads this file by its path: nothing but the standard library may be imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

_OPTIONS = ("--configfile", "--configfiles")


def refuse_missing_configs(words: Sequence[str] | None = None) -> None:
    """End with a line that says what to type, if a config file is none. ``words``: of the command line."""
    words = sys.argv[1:] if words is None else words
    files = _behind(words)
    missing = [word for word in files if not Path(word).exists()]
    if not missing:
        return
    targets = [word for word in missing if not Path(word).suffix]
    for word in missing:
        if word in targets:
            rest = [other for other in words if other not in targets]
            what = f"was taken for a config file (type: {' '.join(['snakemake', *targets, *rest])})"
        else:
            what = "no such config file"
        print(f"ERROR: {word}: {what}", file=sys.stderr)
    sys.exit(1)


def _behind(words: Sequence[str]) -> list[str]:
    """What Snakemake takes for config files."""
    files: list[str] = []
    taking = False
    for word in words:
        taking = word in _OPTIONS or (taking and not word.startswith("-"))
        if taking and word not in _OPTIONS:
            files.append(word)
    return files
