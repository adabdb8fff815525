"""A prediction corrected: choices that the intact model gets wrong and a network, amplified, puts right.

What is looked for is found if one looks at enough of it: the table has every such choice, how many choices
the same edit spoils, and what as many random units do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from brodmann.config.network_use import EditingSettings
from brodmann.files import write_text
from brodmann.networks.page import document
from brodmann.networks.stages.editing import Editing
from brodmann.networks.stages.use import UseStage, stored
from brodmann.store.tables import write_table

COLUMNS = (
    *("dataset", "network", "how", "amount", "n_units", "task", "item", "side", "prompt"),
    *("right", "wrong", "right_intact", "wrong_intact", "right_edited", "wrong_edited"),
    *("margin_intact", "margin_edited", "margin_random", "random_controls", "random_corrects"),
    *("corrected_by_edit", "spoiled_by_edit", "choices"),
)


@dataclass(frozen=True)
class Choice:
    """One prompt with its two answers; single-answer items are texts, of which one is the likelier."""

    item: int
    side: str
    prompt: str
    right: str
    wrong: str


def _choices(editing: Editing, task: str) -> list[tuple[int, int, int, Choice]]:
    """(place of the item, column of the right and of the wrong answer's log-probability, choice)."""
    target = editing.targets[task]
    wording = target.items.wordings[target.plan.wording]
    found = []
    for place, number in enumerate(target.used):
        item = wording[number]
        if item.incorrect is None:
            right, wrong = item.clean_prompt + item.correct, item.corrupted_prompt + item.correct
            found.append((place, 0, 1, Choice(number, "clean", "", right, wrong)))
            continue
        pair = (item.correct, item.incorrect)
        found.append((place, 0, 1, Choice(number, "clean", item.clean_prompt, *pair)))
        found.append((place, 3, 2, Choice(number, "corrupted", item.corrupted_prompt, *pair[::-1])))
    return found


def corrections(editing: Editing, manifest: str) -> Iterator[dict[str, Any]]:
    """Every choice that one amplified network corrects, with all log-probabilities."""
    records = stored(manifest)
    edits = editing.edits(editing.conditions(records))
    # A task's records are read once; an edit's balance is over all tasks.
    every: dict[int, list[np.ndarray]] = {number: [] for number in range(len(edits))}
    asked: list[tuple[str, Choice]] = []
    for task in editing.targets:
        found = editing.records(records, edits, task)
        for place, right, wrong, choice in _choices(editing, task):
            if found[0]["log_probs"][place] is None:
                continue
            asked.append((task, choice))
            for number in every:
                row = found[number]["log_probs"][place]
                every[number].append(np.array([row[right], row[wrong]]))
    if not asked:
        return
    values = {number: np.stack(rows) for number, rows in every.items()}
    margins = {number: own[:, 0] - own[:, 1] for number, own in values.items()}
    for number, edit in enumerate(edits):
        one = edit.of
        if one is None or not one.is_network or edit.how not in ("multiply", "add"):
            continue
        mended = (margins[0] <= 0) & (margins[number] > 0)
        spoiled = (margins[0] > 0) & (margins[number] <= 0)
        alike = [n for n, two in enumerate(edits) if two.control and two.group == edit.group]
        random = [margins[n] for n in alike]
        for at in np.flatnonzero(mended):
            task, choice = asked[at]
            own: dict[str, Any] = {"dataset": one.dataset, "network": one.name, "n_units": len(one)}
            own |= {"how": edit.how, "amount": edit.amount, "task": task, **asdict(choice)}
            for when, of in (("intact", 0), ("edited", number)):
                own |= dict(
                    zip((f"right_{when}", f"wrong_{when}"), values[of][at].tolist(), strict=True)
                )
                own[f"margin_{when}"] = float(margins[of][at])
            beside = [float(margin[at]) for margin in random]
            yield own | {
                "margin_random": float(np.mean(beside)) if beside else float("nan"),
                "random_controls": len(beside),
                "random_corrects": sum(value > 0 for value in beside),
                "corrected_by_edit": int(mended.sum()),
                "spoiled_by_edit": int(spoiled.sum()),
                "choices": len(asked),
            }


def best_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that random units do not correct first, then by how clearly the edited model is right."""
    return sorted(rows, key=lambda row: (row["random_corrects"], -row["margin_edited"]))


def not_run(use: EditingSettings) -> list[str]:
    """The settings under which no prediction can be corrected, as none is tried."""
    reasons = {
        "networks.editing.amounts has no factor and no value": not (
            use.amounts.multiply or use.amounts.add
        ),
        "networks.editing.tasks names no task": not use.tasks,
        "networks.editing.networks is false": not use.networks,
    }
    return [reason for reason, holds in reasons.items() if holds]


def write_corrected(
    stage: UseStage, *, item_files: Sequence[str], manifest: str, table: str, output: str
) -> None:
    """Of rule ``network_use``: every corrected choice, and a page that shows the clearest."""
    editing = Editing(stage, item_files)
    rows = best_first(list(corrections(editing, manifest)))
    write_table(table, rows, COLUMNS)
    title = f"{stage.card.name}: a prediction corrected by amplifying a network"
    best = rows[0] if rows else None
    missing = not_run(stage.use.editing)
    write_text(
        output, document("corrected", title=title, best=best, found=len(rows), missing=missing)
    )
