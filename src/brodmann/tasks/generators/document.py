"""Writes docs/tasks/generators.md from the code: ``python -m brodmann.tasks.generators.document``."""

from __future__ import annotations

import inspect
from pathlib import Path

from brodmann.files import write_text
from brodmann.tasks.generators import generators

PAGE = Path(__file__).resolve().parents[4] / "docs" / "tasks" / "generators.md"

_HEAD = """# Generators

What a task file can name under `generator.function`. Written from the code by
`python -m brodmann.tasks.generators.document`; [the task file](format.md) says how they are used.
"""


def document() -> str:
    """The page."""
    parts = [_HEAD]
    for name, one in sorted(generators().items()):
        lines = [f"## {name}", "", inspect.getdoc(one.function) or "", ""]
        lines.append(f"Slots: {_codes(one.slots)}. Conditions of frames: {_codes(one.conditions)}.")
        lines += ["", "| argument | default |", "| --- | --- |"]
        for argument, parameter in one.arguments.items():
            lines.append(f"| `{argument}` | {_default(parameter.default)} |")
        parts.append("\n".join(lines).replace("``", "`") + "\n")
    return "\n".join(parts)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        flat = [str(item) for item in value if not isinstance(item, list | tuple)]
        if not flat:
            return "one group of the letters" if value else "empty: must be given"
        return "consonants" if len(flat) > 12 else " ".join(f"`{item}`" for item in flat)
    return f"`{value}`"


if __name__ == "__main__":
    write_text(PAGE, document())
