"""Item stage: from a task's definition (ours or a published file) to its items file."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from brodmann.config.study import Study
from brodmann.tasks.definition import TaskDefinition, load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import TaskItems, write_items
from brodmann.tasks.published import read_published

# How many items are drawn for each that is wanted where units are left out.
_OVERSAMPLED = 4

log = logging.getLogger(__name__)


def expand_task(
    study: Study, task: str, *, definition: str, output: str, second: bool = False
) -> None:
    """Rules ``expand_items`` and, with ``second``, ``expand_second_items``.

    ``definition``: the task's YAML (unused for published tasks).
    """
    settings = study.tasks
    if settings.published is not None:
        items = read_published(settings.published, task, settings.items)
    else:
        loaded = load_definition(Path(definition), settings.level(task))
        items = expand(task, loaded, seed=settings.seed, count=settings.items)
        if second:
            items = _other_items(task, loaded, items, settings.item_seed(second=True))
    log.info("%s: %d items", task, len(items))
    write_items(output, items)


def _other_items(task: str, definition: TaskDefinition, first: TaskItems, seed: int) -> TaskItems:
    """As many items of another seed, none of them of a unit that the first list has.

    There may be few, or none at all: a task's material is finite.
    """
    drawn = expand(task, definition, seed=seed, count=_OVERSAMPLED * len(first))
    known = set(first.groups)
    kept = [n for n, group in enumerate(drawn.groups) if group not in known][: len(first)]
    return replace(
        drawn,
        wordings={w: [items[n] for n in kept] for w, items in drawn.wordings.items()},
        groups=[drawn.groups[n] for n in kept],
        metadata={**drawn.metadata, "count": len(kept), "left_out": "units of the first list"},
    )
