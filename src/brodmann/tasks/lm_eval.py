"""Tasks as a folder that lm-evaluation-harness loads, and both-correct shares from its logs.

Each item becomes two documents, one per prompt, that offer the same two answers; ``acc`` is then the share
of documents that are right. The harness has no built-in metric over pairs of documents: ``pair_shares``
takes the both-correct share from the samples that it logs. docs/lm-eval.md is the user's page.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import brodmann
from brodmann.errors import Problem, UserError
from brodmann.files import atomic_folder, read_text, write_text
from brodmann.tasks.catalogue import domain_of
from brodmann.tasks.items import TaskItems

SIDES = ("clean", "corrupted")
_ALL = "brodmann"
_FILES = re.compile(rf"{_ALL}(_.+)?\.(yaml|jsonl)")
# The harness takes the path of the documents for a pattern.
_PATTERN_SIGNS = ("*", "?", "[", "::")


@dataclass(frozen=True)
class PairShares:
    """Shares over the items of which both documents were answered; None if there are none."""

    n_items: int
    both_correct_accuracy: float | None
    clean_accuracy: float | None
    corrupted_accuracy: float | None


def harness_name(task: str) -> str:
    """``brodmann_language_npi`` for ``language/npi``; ``brodmann_language`` for ``language``."""
    return f"{_ALL}_{task.replace('/', '_', 1)}"


def export(out: str | Path, tasks: Sequence[TaskItems], model_format: str) -> Path:
    """Write the tasks in one wording and their groups to the folder ``out``; returns its full path.

    ``out`` is new or empty, or an earlier export, which is replaced as a whole: whatever happens, it
    never holds half an export.
    """
    folder = Path(out).expanduser().resolve()
    _check_tasks(tasks)
    _check_folder(folder)
    try:
        with atomic_folder(folder) as staging:
            for items in tasks:
                _write_task(staging, folder, items, items.wording(model_format))
            _write_groups(staging, [items.task for items in tasks])
    except OSError as error:
        raise UserError.at(str(folder), f"cannot be written: {error.strerror}") from None
    return folder


def documents(items: TaskItems, wording: str) -> Iterator[dict[str, Any]]:
    """Two documents per item, the clean one first; answers and prompts are verbatim.

    Both offer the answers in alphabetical order, which says nothing about the right one: it is the first
    in one of them and the second in the other.
    """
    for number, item in enumerate(items.wordings[wording]):
        assert item.incorrect is not None  # checked
        choices = sorted((item.correct, item.incorrect))
        sides = ((item.clean_prompt, item.correct), (item.corrupted_prompt, item.incorrect))
        for side, (prompt, answer) in zip(SIDES, sides, strict=True):
            yield {
                "item": number,
                "side": side,
                "group": items.groups[number],
                "prompt": prompt,
                "choices": choices,
                "gold": choices.index(answer),
            }


def pair_shares(samples: Iterable[Mapping[str, Any]]) -> PairShares:
    """Both-correct, clean and corrupted accuracy of one task's logged samples.

    All items count that have both documents, aligned or not: which are aligned depends on a tokenizer.
    """
    right: dict[int, dict[str, bool]] = {}
    for sample in samples:
        document = sample["doc"]
        right.setdefault(document["item"], {})[document["side"]] = sample["acc"] == 1
    pairs = [
        [sides[side] for side in SIDES] for sides in right.values() if sides.keys() == set(SIDES)
    ]

    def share(verdicts: list[bool]) -> float | None:
        return sum(verdicts) / len(verdicts) if verdicts else None

    return PairShares(
        n_items=len(pairs),
        both_correct_accuracy=share([all(pair) for pair in pairs]),
        clean_accuracy=share([pair[0] for pair in pairs]),
        corrupted_accuracy=share([pair[1] for pair in pairs]),
    )


def read_samples(path: str | Path) -> list[dict[str, Any]]:
    """The samples of a ``samples_<task>_<date>.jsonl`` file, as ``--log_samples`` writes them."""
    try:
        samples = [json.loads(line) for line in read_text(path).split("\n") if line.strip()]
        for sample in samples:
            _ = sample["acc"], sample["doc"]["item"], sample["doc"]["side"]
    except (ValueError, KeyError, TypeError):
        what = "not the logged samples of an exported task"
        fix = "give the samples_brodmann_*.jsonl files that lm_eval --log_samples wrote"
        raise UserError.at(str(path), what, fix) from None
    return samples


def main(arguments: Sequence[str]) -> int:
    """Print the shares of each samples file; returns the exit code."""
    if not arguments:
        print("usage: python -m brodmann.tasks.lm_eval SAMPLES.jsonl ...", file=sys.stderr)
        return 2
    try:
        rows = [(Path(path).stem, pair_shares(read_samples(path))) for path in arguments]
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    print("samples\titems\tboth_correct\tclean\tcorrupted")
    for name, shares in rows:
        values = (shares.both_correct_accuracy, shares.clean_accuracy, shares.corrupted_accuracy)
        texts = ["-" if value is None else f"{value:.4f}" for value in values]
        print("\t".join([name.removeprefix("samples_"), str(shares.n_items), *texts]))
    return 0


def _check_tasks(tasks: Sequence[TaskItems]) -> None:
    what = "single-answer tasks cannot be exported"
    fix = "the harness compares answers to one prompt, never one answer to two prompts"
    if problems := [Problem(items.task, what, fix) for items in tasks if items.single_answer]:
        raise UserError(*problems)


def _check_folder(folder: Path) -> None:
    where = str(folder)
    if sign := next((sign for sign in _PATTERN_SIGNS if sign in where), ""):
        what = f"the harness finds no documents below a path with '{sign}' in it"
        raise UserError.at(where, what, "choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError.at(where, "is not a folder")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    earlier = f"{_ALL}.yaml" in names and all(_FILES.fullmatch(name) for name in names)
    if names and not earlier:
        fix = "choose a new or empty folder"
        raise UserError.at(where, "holds other things than an earlier export", fix)


def _write_task(staging: Path, folder: Path, items: TaskItems, wording: str) -> None:
    name = harness_name(items.task)
    lines = [json.dumps(document, ensure_ascii=False) for document in documents(items, wording)]
    write_text(staging / f"{name}.jsonl", "\n".join(lines) + "\n")
    seed = items.metadata.get("seed")
    settings = {
        "task": name,
        "dataset_path": "json",
        # The harness takes a relative path from the folder in which it is started, not from this file.
        "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "prompt",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": "",  # answers carry their own leading space
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {
            # Changes if and only if a prompt or an answer does.
            "version": items.digest(wording)[:12],
            "brodmann": brodmann.__version__,
            "task": items.task,
            "wording": wording,
            "n_items": len(items),
            **({} if seed is None else {"seed": seed}),
        },
    }
    _write_yaml(staging / f"{name}.yaml", settings)


def _write_groups(staging: Path, tasks: Sequence[str]) -> None:
    members: dict[str, list[str]] = {}
    for task in tasks:
        members.setdefault(domain_of(task), []).append(harness_name(task))
    groups = {harness_name(domain): names for domain, names in members.items()}
    for group, names in {**groups, _ALL: list(groups)}.items():
        settings = {
            "group": group,
            "task": names,
            # Every task counts the same, however many items it has.
            "aggregate_metric_list": [
                {"metric": "acc", "aggregation": "mean", "weight_by_size": False}
            ],
            "metadata": {"version": brodmann.__version__},
        }
        _write_yaml(staging / f"{group}.yaml", settings)


def _write_yaml(path: Path, settings: Mapping[str, Any]) -> None:
    head = "# Made by 'brodmann export-lm-eval' for lm-evaluation-harness; not to be edited.\n"
    text = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, width=1000)
    write_text(path, head + text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
