"""Minimal pairs: what a task hands to a model, and the file they travel in.

An *item* is a clean and a corrupted prompt with two answers that swap roles: ``correct`` is right after
the clean prompt and wrong after the corrupted one, ``incorrect`` the other way round. A single-answer
item has one answer for both prompts (``incorrect`` is None). Items come in up to two *wordings*:
``chat`` (a question, to be put into a chat template) and ``completion`` (text whose continuation is the
answer). ``results/items/{domain}/{task}.json`` holds them fully composed: nothing downstream needs to
know how a task was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from brodmann.files import digest, incomplete, read_json, write_json

WORDINGS = ("completion", "chat")


@dataclass(frozen=True)
class Item:
    """One minimal pair in one wording, prompts fully composed."""

    clean_prompt: str
    corrupted_prompt: str
    correct: str
    incorrect: str | None = None


@dataclass(frozen=True)
class Characters:
    """Of some items' prompts: all of them, and those that clean and corrupted begin with, each once."""

    all: int
    shared: int

    @property
    def changed(self) -> int:
        """What follows in both prompts."""
        return self.all - 2 * self.shared


@dataclass(frozen=True)
class TaskItems:
    """All items of a task; ``wordings[w][i]`` is item ``i`` (its 0-based id) in wording ``w``."""

    task: str
    wordings: dict[str, list[Item]]
    single_answer: bool = False
    force_base_evaluation: bool = False
    # Items that share content (a lexicon entry, a frame) share a group: they are not independent.
    groups: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return max((len(items) for items in self.wordings.values()), default=0)

    def wording(self, model_format: str) -> str:
        """The wording a model gets. Precedence: the task's ``force_base_evaluation``, then the format."""
        wanted = "completion" if self.force_base_evaluation else model_format
        # A published-layout task has only the chat wording, which then also serves as raw text.
        return wanted if wanted in self.wordings else next(iter(self.wordings))

    def characters(self, wording: str, used: Iterable[int] | None = None) -> Characters:
        """Of these items (of all), about: what a model reads of them."""
        items = self.wordings[wording]
        shown = items if used is None else [items[number] for number in used]
        prompts = [(item.clean_prompt, item.corrupted_prompt) for item in shown]
        shared = sum(begin_alike(pair) for pair in prompts)
        return Characters(sum(map(len, chain.from_iterable(prompts))), shared)

    def digest(self, wording: str) -> str:
        """Hash of what a model is shown: changes if and only if a prompt or an answer does."""
        rows = [list(asdict(item).values()) for item in self.wordings[wording]]
        return digest([self.single_answer, rows])


def begin_alike(rows: Sequence[Sequence[Any]]) -> int:
    """How much all rows begin with, in what they consist of: characters, words or tokens."""
    # What the first and the last in order have in common, all between them have.
    first, last = min(rows), max(rows)
    pairs = zip(first, last, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), len(first))


def write_items(path: str | Path, items: TaskItems) -> None:
    """Write the items file (one JSON object; see the module docstring)."""
    record = asdict(items)
    record["n_items"] = len(items)
    record["sha256"] = {wording: items.digest(wording) for wording in items.wordings}
    write_json(path, record)


def group_of(groups: Sequence[str], number: int) -> str:
    """The group of an item; items of a task without groups are each their own."""
    return groups[number] if groups else str(number)


def read_items(path: str | Path) -> TaskItems:
    """Read what ``write_items`` wrote."""
    record = read_json(path)
    try:
        return TaskItems(
            task=record["task"],
            wordings={
                wording: [Item(**item) for item in items]
                for wording, items in record["wordings"].items()
            },
            single_answer=record["single_answer"],
            force_base_evaluation=record["force_base_evaluation"],
            groups=record["groups"],
            metadata=record["metadata"],
        )
    except (KeyError, TypeError, AttributeError):
        raise incomplete(path) from None
