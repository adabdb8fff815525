"""What a run ends with on the terminal: what was found, in five lines, or how well models do tasks."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.pipeline.workspace import Workspace
from brodmann.tasks.domains import label

if TYPE_CHECKING:
    from brodmann.report.summary import Answer


def tell(workspace: Workspace, targets: Sequence[str]) -> None:
    """Print it; prose as wide as the terminal, if it is one."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(*at_the_end(workspace, targets, columns=columns), sep="\n", flush=True)


def at_the_end(
    workspace: Workspace,
    targets: Sequence[str],
    results: Path = Path("results"),
    columns: int | None = None,
) -> list[str]:
    """Of a whole study or its report what was found, of ``baselines`` the accuracies, of others nothing.

    ``columns``: of lines of prose; without it none is broken.
    """
    if not targets or {"all", "report", "results/report.html"} & set(targets):
        pages = {
            "The report": results / "report.html",
            "The atlas": results / "atlas" / "index.html",
        }
        there = [f"{what}: {path.resolve()}" for what, path in pages.items() if path.is_file()]
        said = found(workspace, results)
        return [*(said if columns is None else _wrapped(said, columns)), *there]
    return accuracies(workspace.study, results) if "baselines" in targets else []


def found(workspace: Workspace, results: Path) -> list[str]:
    """The headlines of the report's first table, a line each; none where a run left parts out."""
    # Imported here: the accuracies need none of it.
    from brodmann.report.findings import read_findings
    from brodmann.report.prose import Prose
    from brodmann.report.sources import Sources
    from brodmann.report.summary import headlines

    study, say = workspace.study, Prose(workspace.root / "workflow" / "report")
    whole = workspace.inventory, results, frozenset(workspace.figures), say, workspace.titles
    try:
        answers = list(headlines(Sources(study, *whole), read_findings(study, results)[0]))
    except UserError:
        return []
    return [_sentence(one) for one in answers]


def _sentence(answer: Answer) -> str:
    """What is said of an effect after a semicolon is for the page; one that is undefined is not said."""
    effect = answer.effect.partition(";")[0]
    about = answer.model if isnan(answer.size) else f"{answer.model}: {effect}"
    return f"{answer.question} {answer.verdict} ({about})."


def _wrapped(lines: Sequence[str], columns: int) -> list[str]:
    shaped = textwrap.TextWrapper(
        max(columns, 20), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [part for line in lines for part in shaped.wrap(line)]


def accuracies(study: Study, results: Path) -> list[str]:
    """Table: models by domains; mean both-correct accuracy of the included tasks, and how many they are."""
    tasks = study.tasks.selected
    domains = list(dict.fromkeys(task.partition("/")[0] for task in tasks))
    table = [["model", *map(label, domains), "included"]]
    for model in study.run_models:
        read = {task: one for task in tasks if (one := _baseline(results, model, task))}
        kept = {task: one for task, one in read.items() if one["included"]}
        cells = []
        for domain in domains:
            inside = [t for t in tasks if t.partition("/")[0] == domain]
            shares = [kept[t]["both_correct_accuracy"] or 0.0 for t in inside if t in kept]
            mean = f"{100 * sum(shares) / len(shares):.0f} %" if shares else "–"
            cells.append(f"{mean} ({len(shares)} of {len(inside)})")
        table.append([model, *cells, f"{len(kept)} of {len(read)}"])
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in table
    ]
    note = (
        "Items of which both prompts are answered right: mean of the included tasks (their number)."
    )
    return [*lines, note]


def _baseline(results: Path, model: str, task: str) -> dict | None:
    try:
        return json.loads((results / model / "baseline" / f"{task}.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
