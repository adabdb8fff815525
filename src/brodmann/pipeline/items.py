"""Item stage: from a task's definition (ours or a published file) to its items file."""

from __future__ import annotations

import logging
from pathlib import Path

from brodmann.config.study import Study
from brodmann.tasks.definition import load_definition
from brodmann.tasks.expand import expand
from brodmann.tasks.items import write_items
from brodmann.tasks.published import read_published

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
        items = expand(task, loaded, seed=settings.item_seed(second), count=settings.items)
    log.info("%s: %d items", task, len(items))
    write_items(output, items)
