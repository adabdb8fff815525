"""docs/cli.md, written from the argument parsers of the commands.

``python tools/document_cli.py``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from brodmann.cli import COMMANDS, parser
from brodmann.files import write_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
_INTRODUCTION = """# Commands

Written from the commands' own parsers by `python tools/document_cli.py`.

The command `brodmann` prepares a study, watches it and uses its results. Snakemake runs the study itself.
`--configfile` and `--config` mean what they mean to Snakemake; without `--configfile`, `config.yaml` of the
working directory is read. A command that fails prints one line for each problem, which begins with `ERROR:`,
and exits with 1. Wrong options exit with 2.
"""


def page() -> str:
    """The Markdown page: one section for each command."""
    given = parser(COMMANDS)
    [commands] = [a for a in given._actions if isinstance(a, argparse._SubParsersAction)]
    parts = [_INTRODUCTION]
    for name, command in commands.choices.items():
        parts.append(f"## brodmann {name}\n\n{command.description}\n")
        parts += [f"{table}\n" for table in ["\n".join(_table(command))] if table]
    return "\n".join(parts)


def _table(command: argparse.ArgumentParser) -> Iterator[str]:
    """A row for each argument, in the order of the help."""
    given = [one for one in command._actions if not isinstance(one, argparse._HelpAction)]
    if given:
        yield "| argument | meaning |"
        yield "| --- | --- |"
    for action in given:
        text = " ".join((action.help or "").split()).replace("|", "\\|").replace("%%", "%")
        needed = " (required)" if action.option_strings and action.required else ""
        yield f"| `{_written(action)}` | {text}{needed} |"


def _written(action: argparse.Action) -> str:
    """As a user types it."""
    flag = ", ".join(action.option_strings)
    if action.nargs == 0:
        return flag
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    value = f"{value} ..." if action.nargs in ("*", "+", "...") else str(value)
    return f"{flag} {value}".strip()


if __name__ == "__main__":
    write_text(PAGE, page())
