"""How long the tasks' prompts are, and what they share: by some items of each, without a tokenizer."""

from __future__ import annotations

from functools import cache

from brodmann.config.study import Study
from brodmann.errors import UserError
from brodmann.runner.encode import EncodedItem
from brodmann.runner.lengths import USUAL, Lengths, guessed
from brodmann.tasks.catalogue import task_path
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import Item, TaskItems
from brodmann.tasks.published import read_published

# Items that are measured.
_ITEMS = 24
# A chat template's tokens, before and after the text of a prompt; no text has such tokens.
_BEFORE, _AFTER = tuple(range(-25, -5)), tuple(range(-5, 0))


def prompt_lengths(study: Study, data: str | None, chat: bool | None = None) -> dict[str, Lengths]:
    """Of every selected task, whose files are in ``data``; a broken one is its own stage's to report.

    ``chat``: whether they are put into a chat template; where that is not known, the longer wording is.
    """
    settings = study.tasks
    place = settings.published or data
    if place is None:
        return {}
    return {
        task: _measured(place, settings.published is not None, task, settings.level(task), chat)
        for task in settings.selected
    }


@cache
def _measured(place: str, published: bool, task: str, level: str, chat: bool | None) -> Lengths:
    try:
        if published:
            items = read_published(place, task, _ITEMS)
        else:
            items = expand(
                task, load_definition(task_path(place, task), level), seed=0, count=_ITEMS
            )
    except UserError:
        return USUAL
    wrapped = chat is not False and not items.force_base_evaluation
    return Lengths.of([_guessed(item, wrapped) for item in _wording(items, chat)])


def _wording(items: TaskItems, chat: bool | None) -> list[Item]:
    """The items as the model gets them, or those with the longer prompts."""
    if chat is not None:
        return items.wordings[items.wording("chat" if chat else "completion")]
    return max(items.wordings.values(), key=lambda own: sum(len(i.clean_prompt) for i in own))


def _guessed(item: Item, wrapped: bool) -> EncodedItem:
    before, after = (_BEFORE, _AFTER) if wrapped else ((), ())
    clean, corrupted = (
        before + guessed(text) + after for text in (item.clean_prompt, item.corrupted_prompt)
    )
    wrong = None if item.incorrect is None else guessed(item.incorrect)
    return EncodedItem(clean, corrupted, guessed(item.correct), wrong)
