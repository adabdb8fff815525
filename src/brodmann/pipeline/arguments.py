"""What stands behind ``--configfile`` and ``--config`` and cannot be read is said in a line.

Snakemake reads both before it reads the Snakefile; of what it cannot read it shows a traceback, or not the
line. So this is called by the default profile, which it reads first, and which reads this file by its path:
nothing but the standard library, and what Snakemake itself is made with, may be imported here.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

_FILES = ("--configfile", "--configfiles")
_VALUES = ("--config", "-C")
# What Snakemake takes for the name of a key.
_KEY = re.compile(r"[a-zA-Z_][\w-]*\w")
_PACKAGE = Path(__file__).resolve().parent.parent
_how_to_mend: Callable[[str, str], str] = runpy.run_path(str(_PACKAGE / "unreadable.py"))[
    "how_to_mend"
]


def refuse_unreadable(words: Sequence[str] | None = None) -> None:
    """End with a line that says what to type, if a config is none. ``words``: of the command line."""
    words = sys.argv[1:] if words is None else words
    problems = [*_missing(words), *_broken(words), *_no_pairs(words)]
    for problem in problems:
        print(f"ERROR: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def _missing(words: Sequence[str]) -> Iterator[str]:
    """Words that are no files: Snakemake takes all that stand behind the option for config files."""
    missing = [word for word in _behind(words, _FILES) if not Path(word).exists()]
    targets = [word for word in missing if not Path(word).suffix]
    for word in missing:
        if word in targets:
            rest = [other for other in words if other not in targets]
            what = f"was taken for a config file (type: {' '.join(['snakemake', *targets, *rest])})"
        else:
            what = "no such config file"
        yield f"{word}: {what}"


def _broken(words: Sequence[str]) -> Iterator[str]:
    """Files that are no YAML. What else may be wrong with them the Snakefile says."""
    for word in _behind(words, _FILES):
        try:
            text = Path(word).read_text(encoding="utf-8")
            json.loads(text)
        except (OSError, UnicodeDecodeError, RecursionError):
            continue
        except ValueError:
            try:
                yaml.compose(text, Loader=yaml.SafeLoader)
            except yaml.MarkedYAMLError as error:
                lines = text.splitlines()
                line = error.problem_mark.line + 1 if error.problem_mark else 1
                # What is not closed is missed behind the last line.
                line = min(line, len(lines))
                fix = _how_to_mend(error.problem or "", lines[line - 1])
                said = f"{word}:{line}: not valid YAML: {error.problem}"
                yield f"{said} ({fix})" if fix else said
            except (yaml.YAMLError, RecursionError):
                continue


def _no_pairs(words: Sequence[str]) -> Iterator[str]:
    """Words behind --config that are not KEY=VALUE, KEY being a section."""
    for word in _behind(words, _VALUES):
        key, sign, value = word.partition("=")
        section, *below = key.split(".")
        if not sign:
            yield f"--config {word}: is not KEY=VALUE"
        elif below and _KEY.fullmatch(section) and all(below):
            for one in reversed(below):
                value = f"{{{one}: {value}}}"
            yield f"--config {word}: no key of a config (type: --config {section}='{value}')"
        elif not _KEY.fullmatch(key):
            yield f"--config {word}: '{key}' is no key of a config (e.g. --config tasks='{{items: 50}}')"


def _behind(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """What Snakemake takes for values of an option."""
    found: list[str] = []
    taking = False
    for word in words:
        taking = word in options or (taking and not word.startswith("-"))
        if taking and word not in options:
            found.append(word)
    return found
