"""What jobs read of a model's tasks, and how they go through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brodmann.circuits.inclusion import Baseline
from brodmann.tasks.items import TaskItems, read_items


@dataclass(frozen=True)
class TaskFiles:
    """``items`` and ``baselines``: a file per task each. ``attributions``: the folder
    results/{model}/attribution, for jobs that read more tasks' attributions than these."""

    model_json: str
    items: Sequence[str]
    baselines: Sequence[str]
    attributions: str = ""

    def __iter__(self) -> Iterator[tuple[TaskItems, Baseline]]:
        """Task by task."""
        for items, baseline in zip(self.items, self.baselines, strict=True):
            yield read_items(items), Baseline.read(baseline)
