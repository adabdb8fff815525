"""The words of the report and of the methods section: templates in ``workflow/report``, and what they use.

Lines of a paragraph are joined, so that templates can be wrapped anywhere. In ``story`` a macro holds what is
said on one matter, a sentence after every ``- `` at the start of a line; see ``Prose``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from brodmann.localizers import localizer_name
from brodmann.report import wording
from brodmann.report.findings import spoken
from brodmann.report.verdicts import ALPHA
from brodmann.statistics.printed import decimals
from brodmann.tasks.domains import label

STORY = "story"


def environment(*folders: str | Path) -> Environment:
    """Templates with filters for numbers and lists; what is written is Markdown, so nothing is escaped."""
    found = Environment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "listed": wording.listed,
        "numbered": wording.numbered,
        "word": lambda key, words: words.get(key, key),
        "count": "{:,}".format,  # 46,080
        "short": "{:g}".format,  # 0.1
        "percent": "{:g} %".format,
        "fixed": lambda value, digits: decimals(digits)(value),
        "share": wording.share,
        "big": wording.big,
        "massive": wording.massive_text,
        "draws": wording.draws_text,
        "p": wording.p_text,
        "points": wording.points,
        "points_between": wording.points_between,
        "spoken": spoken,
        "localizer": localizer_name,
        "domain": label,
        # Rows of a table, in groups or one by one, as column -> value.
        "records": lambda table: table.to_dict("records"),
        "grouped": _grouped,
        "largest": lambda rows, column: max(row[column] for row in rows),
    }
    found.tests |= {"missing": pd.isna, "zero": wording.nothing_shared}
    # What stands after one of several things in a loop: ", " or " and ".
    found.globals["joint"] = lambda loop: {1: "", 2: " and "}.get(loop.revindex, ", ")
    found.globals |= {"called": wording.called, "alpha": ALPHA}
    return found


def _grouped(table: pd.DataFrame, *columns: str) -> list[list[dict[str, Any]]]:
    return [own.to_dict("records") for _, own in table.groupby(list(columns), sort=False)]


def joined(paragraph: str) -> str:
    """The lines of a paragraph as one line."""
    return " ".join(paragraph.split())


class Prose:
    """Says what the templates in ``templates/story`` hold."""

    def __init__(self, templates: str | Path) -> None:
        self._environment = environment(Path(templates) / STORY)

    def __call__(self, place: str, *values: Any, **named: Any) -> list[str]:
        """The sentences of the macro ``template.macro`` on these values: a paragraph is a single one."""
        template, _, macro = place.partition(".")
        module = self._environment.get_template(f"{template}.md.j2").module
        text: str = getattr(module, macro)(*values, **named)
        return [joined(one) for one in re.split(r"^- ", text, flags=re.M) if one.strip()]
