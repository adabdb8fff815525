"""``brodmann``: small helpers around the workflow; the work itself is Snakemake's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import brodmann
from brodmann.config.load import LoadedConfig, load_config
from brodmann.errors import Problem, UserError
from brodmann.pipeline.workspace import config_files
from brodmann.tasks import catalogue, published
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import TaskItems

# The workflow's folder: this package is used from a clone.
ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. Errors are one line each, without a traceback."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        for problem in error.problems:
            print(f"ERROR: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (head, less) has seen enough
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brodmann", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"brodmann {brodmann.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.add_argument("--configfile", nargs="+", default=[], help="as for snakemake")
        sub.set_defaults(run=run)
        return sub

    command("check", _check, "Check the config and every task it selects; all problems at once.")
    command("tasks", _tasks, "List the tasks that the config selects.")
    command("where", _where, "Say where the report and the figures of a finished run are.")
    show = command("items", _items, "Show the first items of a task as models get them.")
    show.add_argument("task", help="domain/name")
    show.add_argument("-n", type=int, default=3, help="how many (default 3)")
    return parser


def _load(options: argparse.Namespace) -> LoadedConfig:
    return load_config(config_files(options.configfile, ROOT), root=ROOT)


def _read_task(loaded: LoadedConfig, task: str, count: int | None = None) -> TaskItems:
    settings = loaded.study.tasks
    if settings.published is not None:
        return published.read_published(settings.published, task, count or settings.items)
    definition = load_definition(catalogue.task_path(ROOT / "data", task))
    return expand(task, definition, seed=settings.seed, count=count or settings.items)


def _check(options: argparse.Namespace) -> int:
    loaded = _load(options)
    problems: list[Problem | str] = []
    total = 0
    for task in loaded.study.tasks.selected:
        try:
            total += len(_read_task(loaded, task))
        except UserError as error:
            problems.extend(error.problems)
    if problems:
        raise UserError(*problems)
    models, tasks = len(loaded.study.models), len(loaded.study.tasks.selected)
    print(f"{loaded.source.label}: fine. {models} models, {tasks} tasks, {total} items.")
    return 0


def _tasks(options: argparse.Namespace) -> int:
    for task in _load(options).study.tasks.selected:
        print(task)
    return 0


def _items(options: argparse.Namespace) -> int:
    loaded = _load(options)
    catalogue.select(loaded.study.tasks.selected, [options.task], "the task")
    items = _read_task(loaded, options.task, max(1, options.n))
    for wording, pairs in items.wordings.items():
        for number, item in enumerate(pairs):
            print(f"--- {items.task}, {wording}, item {number}")
            print(f"clean:     {item.clean_prompt!r}")
            print(f"corrupted: {item.corrupted_prompt!r}")
            answers = [item.correct] if item.incorrect is None else [item.correct, item.incorrect]
            print(f"answers:   {' | '.join(repr(answer) for answer in answers)}")
    return 0


def _where(options: argparse.Namespace) -> int:
    results = Path("results").resolve()
    figures = sorted(results.glob("figures/*.png"))
    report = results / "report.html"
    if not report.is_file():
        raise UserError.at(str(report), "there is no report yet", "run 'snakemake --cores all'")
    print(f"\nThe report:  {report}")
    for figure in figures:
        print(f"A figure:    {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
