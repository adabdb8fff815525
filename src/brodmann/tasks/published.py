"""Task folders in the published layout, read to the character.

``config/<Domain>/config.json`` maps each task's key to its prompt parts and file, ``data/<Domain>/<file>``
is the list of its items. Both options of the clean prompt's suffix are the clean answers, those of the
corrupted prompt's the corrupted ones, so that the right option always stands first there: reproduced, as
are repeated items. There is one wording, ``chat``, which also serves as raw text.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brodmann.errors import Problem, UserError, did_you_mean
from brodmann.files import digest, file_digest
from brodmann.tasks import domains
from brodmann.tasks.catalogue import sort_key
from brodmann.tasks.items import Item, TaskItems

logger = logging.getLogger(__name__)

PUBLISHED_DOMAINS = {"Lan": "language", "MD": "formal", "phys": "physical", "ToM": "social"}

_RENAMED = {
    "phys_newton": "newton",
    "phys_prost": "prost",
    "logic_syllogism_1": "logic_syllogism",
    "logic_propositional_1": "logic_propositional",
    "code_A": "code_arithmetic",
    "code_B": "code_string",
}
_PHYSICS_PREFIX = "physics_"

_TASK_KEYS = ("path", "prefix", "suffix", "concatenation", "force_base_evaluation", "single_answer")
_PROBLEMS = ("clean_problem", "corrupted_problem")
_ANSWERS = ("clean_correct", "clean_incorrect", "corrupted_correct", "corrupted_incorrect")


def our_domain(domain: str) -> str:
    """Our name of a published domain (``ToM`` -> ``social``); any other name as it is."""
    return PUBLISHED_DOMAINS.get(domain, domain)


def our_name(key: str) -> str:
    """Our name of a published task key (``physics_speed`` -> ``speed``); any other key as it is."""
    return _RENAMED.get(key, key.removeprefix(_PHYSICS_PREFIX))


def our_label(label: str, rename: bool = True) -> str:
    """``phys/physics_speed`` -> ``physical/speed``, or ``physical/physics_speed`` without ``rename``."""
    domain, _, key = label.partition("/")
    return f"{our_domain(domain)}/{our_name(key) if rename else key}"


def list_published(folder: str | Path, rename: bool = False) -> list[str]:
    """Every task of the folder as ``domain/name``, in the standard order; reads the configs only."""
    tasks: dict[str, str] = {}
    problems = []
    for domain, (path, entries) in _configs(Path(folder)).items():
        for key in entries:
            task = our_label(f"{domain}/{key}", rename)
            if task in tasks:
                what = f"'{tasks[task]}' and '{key}' are both '{task}'"
                problems.append(Problem(str(path), what))
            tasks[task] = key
    if problems:
        raise UserError(*problems)
    return sorted(tasks, key=sort_key)


def source_files(folder: str | Path, task: str) -> list[Path]:
    """The files that a task's items come from: its domain's config and its data."""
    config, path, _, _ = _find(Path(folder), task)
    return [config, path]


def read_published(folder: str | Path, task: str, count: int | None = None) -> TaskItems:
    """The items of a task that ``list_published`` names, the first ``count`` or all of them."""
    config, path, key, entry = _find(Path(folder), task)
    where = f"{config}: {key}"
    problems: list[Problem] = []
    texts, truths = (
        ("prefix", "concatenation", "suffix"),
        ("force_base_evaluation", "single_answer"),
    )
    parts = {name: _setting(entry, name, str, "text or null", where, problems) for name in texts}
    flags = {name: _setting(entry, name, bool, "true or false", where, problems) for name in truths}
    records = _read_json(path)
    if not isinstance(records, list) or not records:
        problems.append(Problem(str(path), "must be a list of items, and not an empty one"))
        records = []
    single = flags["single_answer"]
    required = (*_PROBLEMS, *(("answer",) if single else _ANSWERS))
    problems += _bad_items(path, records, required)
    if problems:
        raise UserError(*problems)
    _report_ignored(task, set(entry) - set(_TASK_KEYS), records, required)
    items = [_compose(record, parts, single) for record in records[:count]]
    return TaskItems(
        task=task,
        wordings={"chat": items},
        single_answer=single,
        force_base_evaluation=flags["force_base_evaluation"],
        # The same pair twice, or its mirror, is one unit.
        groups=[digest(sorted((item.clean_prompt, item.corrupted_prompt)))[:16] for item in items],
        metadata={
            "published_key": key,
            "source": path.name,
            "source_sha256": file_digest(path),
            "count": len(items),
            **({"note": f"{count} items were asked for"} if count and count > len(items) else {}),
        },
    )


def _configs(folder: Path) -> dict[str, tuple[Path, dict[str, dict[str, Any]]]]:
    """Published domain -> (config file, its tasks)."""
    found = sorted(folder.glob("config/*/config.json"))
    if not found:
        raise UserError.at(
            str(folder), "no task folder in the published layout", "it holds config/*/config.json"
        )
    configs = {}
    problems = []
    for path in found:
        domain = path.parent.name
        if our_domain(domain) not in domains.names():
            hint = did_you_mean(domain, PUBLISHED_DOMAINS)
            problems.append(Problem(str(path.parent), "not a cognitive domain", hint))
            continue
        tasks = _read_json(path)
        if not isinstance(tasks, dict):
            problems.append(Problem(str(path), "must map task names to their settings"))
            continue
        for key, entry in tasks.items():
            if not isinstance(entry, dict):
                problems.append(Problem(f"{path}: {key}", "must be a mapping"))
            elif not isinstance(entry.get("path"), str) or not entry["path"]:
                problems.append(Problem(f"{path}: {key}.path", "missing", "name the data file"))
            elif "/" in key or not key:
                problems.append(Problem(f"{path}: {key}", "a task's name cannot hold a slash"))
        configs[domain] = (path, tasks)
    if problems:
        raise UserError(*problems)
    return configs


def _find(folder: Path, task: str) -> tuple[Path, Path, str, dict[str, Any]]:
    """Config file, data file, published key and settings of a task; its key goes before its alias."""
    configs = _configs(folder)
    for rename in (False, True):
        for domain, (config, entries) in configs.items():
            for key, entry in entries.items():
                if our_label(f"{domain}/{key}", rename) == task:
                    data = folder / "data" / domain
                    path = data / entry["path"]
                    _refuse_place(path, data, f"{config}: {key}.path")
                    return config, path, key, entry
    raise UserError.at(str(folder), f"no task '{task}'", did_you_mean(task, list_published(folder)))


def _refuse_place(path: Path, folder: Path, where: str) -> None:
    """An error unless ``path`` is a file in ``folder``."""
    try:
        inside, there = path.resolve().is_relative_to(folder.resolve()), path.is_file()
    except (OSError, ValueError):  # a NUL byte, half a character, a name too long
        raise UserError.at(where, f"{path.name[:80]!r} is no name of a file") from None
    if not inside:
        raise UserError.at(where, f"{path} leaves the folder {folder}")
    if not there:
        raise UserError.at(where, f"the file {path} does not exist")


def _read_json(path: Path) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(value, ensure_ascii=False).encode()  # finds halves of characters ("\\ud800")
        return value
    except OSError as error:
        raise UserError.at(str(path), f"cannot be read: {error.strerror}") from None
    # Also numbers with thousands of digits, and what is nested too deeply.
    except (ValueError, RecursionError) as error:
        raise UserError.at(str(path), f"not valid JSON: {error}") from None


def _setting(
    entry: dict[str, Any], name: str, kind: type, words: str, where: str, problems: list[Problem]
) -> Any:
    """A value of this kind; its empty one where there is none."""
    value = entry.get(name)
    if value is not None and not isinstance(value, kind):
        problems.append(Problem(f"{where}.{name}", f"must be {words}, found {value!r}"))
        return kind()
    return value or kind()


def _bad_items(path: Path, records: list[Any], required: tuple[str, ...]) -> Iterator[Problem]:
    for number, record in enumerate(records):
        where = f"{path}: item {number}"
        if not isinstance(record, dict):
            yield Problem(where, "must be a mapping")
            continue
        for name in required:
            if (value := record.get(name)) is None:
                yield Problem(f"{where}.{name}", "missing")
            elif not isinstance(value, str):
                yield Problem(f"{where}.{name}", f"must be text, found {value!r}")
            elif not value:
                yield Problem(f"{where}.{name}", "is empty")


def _report_ignored(
    task: str, settings: set[str], records: list[dict[str, Any]], required: tuple[str, ...]
) -> None:
    """One line in the log for all that the layout holds and brodmann does not use."""
    fields = {name for record in records for name in record} - set(required)
    kinds = (("settings", settings), ("item fields", fields))
    if parts := [f"{kind} {', '.join(sorted(names))}" for kind, names in kinds if names]:
        logger.info("%s: ignored %s", task, "; ".join(parts))


def _compose(record: dict[str, str], parts: dict[str, str], single: bool) -> Item:
    def prompt(side: str) -> str:
        text = parts["prefix"] + record[f"{side}_problem"] + parts["concatenation"]
        if single or not parts["suffix"]:
            return text
        suffix = parts["suffix"].replace("{correct_answer}", record[f"{side}_correct"])
        return f"{text} {suffix.replace('{incorrect_answer}', record[f'{side}_incorrect'])}"

    return Item(
        clean_prompt=prompt("clean"),
        corrupted_prompt=prompt("corrupted"),
        correct=record["answer"] if single else record["clean_correct"],
        incorrect=None if single else record["clean_incorrect"],
    )
