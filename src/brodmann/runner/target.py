"""The items of one task that a model is shown: which, and how they are put to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.runner.prompting import PromptPlan, plan_prompts
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import Characters, TaskItems, group_of, read_items


def plan_of(study: Study, card: ModelCard, items: TaskItems) -> PromptPlan:
    """How a model of the study is shown a task."""
    return plan_prompts(items, study.model(card.name).prompting, card.has_chat_template)


@dataclass(frozen=True)
class Target:
    """Items of one task. ``used``: the numbers of those that are run, in order."""

    items: TaskItems
    plan: PromptPlan
    used: tuple[int, ...]

    @classmethod
    def drawn(
        cls,
        study: Study,
        card: ModelCard,
        files: Iterable[str],
        count: int,
        purpose: str,
        seed: int,
    ) -> dict[str, Target]:
        """Task -> some of its items; ``purpose`` and ``seed`` decide which."""
        found = {}
        for items in map(read_items, files):
            numbers = Dice(purpose, seed, items.task).shuffled(list(range(len(items))))[:count]
            found[items.task] = cls(items, plan_of(study, card, items), tuple(sorted(numbers)))
        return found

    @property
    def task(self) -> str:
        """``domain/name``."""
        return self.items.task

    @property
    def groups(self) -> list[str]:
        """The group of each used item: an independent unit, as items of one group share content."""
        return [group_of(self.items.groups, number) for number in self.used]

    @cached_property
    def characters(self) -> Characters:
        """Of what is run, about."""
        return self.items.characters(self.plan.wording, self.used)

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        """What decides what the model is shown: part of a key."""
        return {
            "prompts": asdict(self.plan),
            "items": self.items.digest(self.plan.wording),
            "used": self.used,
        }
