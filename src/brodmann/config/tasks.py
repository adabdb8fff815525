"""``tasks:``: which tasks, how many items of each, and which items count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from brodmann.config.resolve import Resolver
from brodmann.config.section import Count, OneOrMore, Section, Share, SomeText, Text, Truth, Whole
from brodmann.config.stages import ABLATION, ATTRIBUTION, FAITHFULNESS
from brodmann.errors import UserError
from brodmann.tasks import catalogue, published

Filter = Literal["both_correct", "aligned"]


class TaskKeys(Section):
    """Which tasks, how many items of each, and which items count."""

    include: OneOrMore[SomeText] = ("*",)
    """Globs over domain/task, e.g. language/*, formal/number_sequence."""
    published: Text | None = None
    """A folder in the published layout (config/<Domain>/config.json, data/<Domain>/*.json), read instead of
    data/."""
    folder: Text | None = None
    """A folder of domains and tasks (docs/adding-a-task.md), read instead of data/."""
    items: Count | None = None
    """Items per task after expansion; null takes all."""
    seed: Whole = 0
    """Seed of the expansion."""
    min_both_correct: Share = 0.6
    """A task is included if at least this share of its aligned items is right in both directions."""
    min_items: Whole = 20
    """Both-correct items that a task needs at least."""
    filter: Filter = "both_correct"
    """both_correct uses the items that are right in both directions; aligned keeps every aligned item, for
    weak models."""
    split: Literal["none", "half"] = "none"
    """half finds circuits on one half of the items and measures them on the other."""
    rename: Truth = False
    """Give tasks of the published layout brodmann's names instead of their own keys."""
    difficulty: dict[str, SomeText] = Field(default={})
    """Globs over domain/task, each with a level that the task's file offers (easy, hard, ...); tasks not
    named are taken as published."""

    def resolved(self, filters: Iterable[str | None], here: Resolver) -> TaskSettings:
        """The section with its globs resolved. ``filters``: those of the models."""
        # Under the filter `aligned` no number of both-correct items is asked for.
        counted = "both_correct" in {own or self.filter for own in filters}
        sound = all(here.sound("tasks", key) for key in ("items", "min_items", "filter"))
        if counted and sound and self.items is not None and self.min_items > self.items:
            here.problem(
                ("tasks", "min_items"),
                f"asks for {self.min_items} both-correct items, but tasks.items gives only {self.items}",
                "no task could be included; raise items or lower min_items",
            )
        own_tasks = self._own(here)
        known, folder = self._known(own_tasks, here)
        here.known = known or ()
        selected = here.matching(self.include, known, ("tasks", "include"))
        own = {"selected": selected, "published": folder, "split": self.split == "half"}
        own["folder"] = own_tasks
        return TaskSettings(
            **{**dict(self), **own, "difficulty": self._levels(selected, folder, here)}
        )

    def _own(self, here: Resolver) -> str | None:
        """The folder of tasks that the study has of its own."""
        path = ("tasks", "folder")
        if self.folder is None:
            return None
        if self.published is not None:
            here.problem(path, "tasks.published is read already", "remove one of the two")
        return str(here.resolve(self.folder, path))

    def _known(self, own: str | None, here: Resolver) -> tuple[list[str] | None, str | None]:
        """(every task there is, the published folder); tasks are None where they cannot be listed."""
        if own is not None and not here.needed(Path(own), ("tasks", "folder"), folder=True):
            return None, None
        path = ("tasks", "published")
        folder = None if self.published is None else str(here.resolve(self.published, path))
        if folder is not None and not here.needed(Path(folder), path, folder=True):
            return None, folder
        if folder is None and self.rename and here.sound(*path):
            what, fix = "renames published tasks only", "set tasks.published, or remove it"
            here.problem(("tasks", "rename"), what, fix)
        try:
            if folder is not None:
                return published.list_published(folder, self.rename), folder
            return catalogue.list_tasks(own or here.root / "data", here.domains), None
        except UserError as error:
            here.take(error)
            return None, folder

    def _levels(
        self, selected: Sequence[str], folder: str | None, here: Resolver
    ) -> dict[str, str]:
        """Task -> level; the last glob that names a task wins. The files know which levels exist."""
        path = ("tasks", "difficulty")
        if folder is not None and self.difficulty:
            what = "the published layout has no difficulties"
            here.problem(path, what, "remove it, or tasks.published")
        levels: dict[str, str] = {}
        for glob, level in self.difficulty.items() if selected else ():
            try:
                where = here.source.where((*path, glob))
                levels |= dict.fromkeys(catalogue.select(selected, [glob], where), level)
            except UserError as error:
                here.take(error)
        return {task: level for task, level in levels.items() if level != catalogue.DEFAULT_LEVEL}


class TaskSettings(TaskKeys):
    """``tasks:``, with ``selected`` the tasks that the globs name, in order."""

    selected: tuple[str, ...]
    # Circuits on one half of the items, effects on the other.
    split: bool = False  # type: ignore[assignment]
    # ``difficulty`` holds tasks instead of globs, those whose file is not taken as it stands.

    def depends(self, stage: str, study: Any) -> dict[str, Any]:
        """Which half of the items; the items themselves are files."""
        split = (*ATTRIBUTION, *ABLATION, *FAITHFULNESS)
        return {"split": self.split} if stage in split else {}

    def data(self, root: Path) -> Path:
        """The folder of task files. ``root``: the workflow's own folder."""
        return root / "data" if self.folder is None else Path(self.folder)

    def level(self, task: str) -> str:
        """The difficulty of one task."""
        return self.difficulty.get(task, catalogue.DEFAULT_LEVEL)

    def item_seed(self, second: bool = False) -> int:
        """The seed of the items; the second list, for reliability, has the next one."""
        return self.seed + int(second)

    def expansion_settings(self, task: str, second: bool = False) -> dict[str, Any]:
        """What decides a task's items, beside the definition itself."""
        return {
            "published": self.published is not None,
            "items": self.items,
            "seed": self.item_seed(second),
            "rename": self.rename,
            "difficulty": self.level(task),
        }
