"""Which tasks exist, which are asked for, and what they are called.

Reads folder listings, what domains say of themselves, and of task files nothing but the line of their title:
cheap enough to be called while a Snakefile is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from brodmann.errors import Problem, UserError, closest, did_you_mean
from brodmann.tasks import domains

TASK_SUFFIX = ".yaml"
# Characters; figures have that much room on their axes.
LONGEST_TITLE = 30
_TITLE = re.compile(r"^title:[ \t]+(.+?)[ \t]*$", re.MULTILINE)
# The difficulty of a task whose file is taken as it stands.
DEFAULT_LEVEL = "default"
# Beside the domains' folders: lexicons that several tasks share.
LEXICON_FOLDER = "lexicons"
# A task's name is part of paths under results/.
TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def domain_of(task: str) -> str:
    """``language`` of ``language/npi``."""
    return task.partition("/")[0]


def sort_key(task: str) -> tuple[int, str, str]:
    """Sorts tasks by domain (the published ones in their order, then others by name), then by name."""
    domain, _, name = task.partition("/")
    return *domains.rank(domain), name


def task_path(data_dir: str | Path, task: str) -> Path:
    """The file that defines ``task``."""
    return Path(data_dir) / f"{task}{TASK_SUFFIX}"


def shared_lexicons(data_dir: str | Path) -> list[Path]:
    """The lexicons that several tasks share, by name."""
    return sorted((Path(data_dir) / LEXICON_FOLDER).glob(f"*{TASK_SUFFIX}"))


def list_tasks(data_dir: str | Path, broken: list[Problem] | None = None) -> list[str]:
    """Every ``domain/name`` that has a file ``data_dir/domain/name.yaml``, in the standard order.

    What is wrong with what domains say of themselves is an error, or is added to ``broken``.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError.at(str(data_dir), "the folder of task definitions does not exist")
    problems = []
    tasks = []
    try:
        domains.domains_in(data_dir)
    except UserError as error:
        if broken is None:
            raise
        broken += error.problems
    known = {*domains.PUBLISHED, *(path.parent.name for path in data_dir.glob(f"*/{domains.FILE}"))}
    for folder in sorted(path for path in data_dir.iterdir() if path.is_dir()):
        names = sorted(
            path.name.removesuffix(TASK_SUFFIX)
            for path in folder.iterdir()
            if path.name.endswith(TASK_SUFFIX)
            and not path.name.startswith(".")
            and path.name != domains.FILE
        )
        if folder.name == LEXICON_FOLDER:
            continue
        if names and folder.name not in known:
            like = closest(folder.name, known)
            hint = f"did you mean '{like}'? Else " if like else ""
            fix = f"{hint}say what it is in {folder.name}/{domains.FILE}; see docs/adding-a-task.md"
            problems.append(Problem(str(folder), f"a domain without a {domains.FILE}", fix))
        tasks += [f"{folder.name}/{name}" for name in names]
    if problems:
        raise UserError(*problems)
    return sorted(tasks, key=sort_key)


def select(tasks: Iterable[str], globs: Sequence[str], where: str) -> list[str]:
    """The tasks that match any of ``globs`` (over ``domain/name``), once each, in the standard order.

    ``where`` names the config key for the error raised when a glob matches nothing.
    """
    tasks = sorted(set(tasks), key=sort_key)
    what, fix = "{!r} cannot be a path under results/", "letters, digits, '.', '_', '-'"
    odd = [task for task in tasks if not TASK_NAME.fullmatch(task)]
    problems = [Problem(where, what.format(task), fix) for task in odd]
    chosen: set[str] = set()
    for glob in globs:
        matches = [task for task in tasks if fnmatchcase(task, glob)]
        if not matches:
            problems.append(Problem(where, f"'{glob}' matches no task", _hint(glob, tasks)))
        chosen.update(matches)
    if problems:
        raise UserError(*problems)
    return sorted(chosen, key=sort_key)


def _hint(glob: str, tasks: Sequence[str]) -> str:
    """The most likely intended task or glob: a misspelt domain, a missing one, or a misspelt name."""
    names = {task.partition("/")[2]: task for task in tasks}
    if glob in names:
        return f"did you mean '{names[glob]}'?"
    _, slash, name = glob.partition("/")
    if slash and any(sign in name for sign in "*?["):
        return did_you_mean(glob, {f"{domain_of(task)}/{name}" for task in tasks})
    return did_you_mean(glob, tasks)


def task_title(task: str) -> str:
    """What a task is called whose file says nothing: ``wugs of old`` of ``language/wugs_of_old``."""
    return task.partition("/")[2].replace("_", " ")


def task_titles(data_dir: str | Path, tasks: Iterable[str]) -> dict[str, str]:
    """Task -> what figures and the report call it: its file's title, or its name in words."""
    titles = {}
    for task in sorted(tasks, key=sort_key):
        path = task_path(data_dir, task)
        found = _TITLE.search(path.read_text(encoding="utf-8")) if path.is_file() else None
        titles[task] = str(found[1]).strip("\"'") if found else task_title(task)
    return titles


def is_excluded(task: str, globs: Iterable[str]) -> bool:
    """Whether any of ``globs`` names ``task``."""
    return any(fnmatchcase(task, glob) for glob in globs)
