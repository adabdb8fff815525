"""How long prompts are, and what clean and corrupted begin with: that is run once, the rest each time.

Measured on a few items of each task. Light: no tokenizer is loaded, tokens are counted by characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner.costs import USUAL, Lengths
from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import Item, TaskItems, begin_alike
from brodmann.tasks.published import read_published

# English text has four characters a token and more; numbers and code have fewer.
_CHARACTERS = 3.5
# Items that are measured.
_ITEMS = 6


def prompt_lengths(study: Study, data: str | Path | None) -> dict[str, Lengths]:
    """Of every selected task, whose files are in ``data``; a broken one is its own stage's to report."""
    settings = study.tasks
    place = settings.published or (None if data is None else str(data))
    if place is None:
        return {}
    return {
        task: _measured(place, settings.published is not None, task, settings.level(task))
        for task in settings.selected
    }


@cache
def _measured(place: str, published: bool, task: str, level: str) -> Lengths:
    try:
        if published:
            items = read_published(place, task, _ITEMS)
        else:
            items = expand(
                task, load_definition(task_path(place, task), level), seed=0, count=_ITEMS
            )
    except UserError:
        return USUAL
    return _mean(_longest(items))


def _longest(items: TaskItems) -> list[Item]:
    """The wording with the longer prompts: which one a model gets is known once it is there."""
    return max(items.wordings.values(), key=lambda own: sum(len(i.clean_prompt) for i in own))


def _mean(items: list[Item]) -> Lengths:
    shared = [begin_alike([item.clean_prompt, item.corrupted_prompt]) for item in items]
    rest = [len(i.clean_prompt) - n for i, n in zip(items, shared, strict=True)]
    return Lengths(
        _tokens(shared), max(1.0, _tokens(rest)), max(1.0, _tokens(len(i.correct) for i in items))
    )


def _tokens(characters: Iterable[int]) -> float:
    found = list(characters)
    return sum(found) / len(found) / _CHARACTERS
