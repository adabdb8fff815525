"""From prompts and answers to token ids.

Prompt and answer are tokenized separately, without special tokens, and their ids are concatenated: the
boundary between them is never re-merged, so every answer continues the same prompt tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from brodmann.errors import Problem, UserError
from brodmann.runner.prompting import PromptPlan
from brodmann.tasks.items import TaskItems, begin_alike

log = logging.getLogger(__name__)

Ids = tuple[int, ...]


def common_prefix(rows: Iterable[Ids]) -> int:
    """How many tokens all rows begin with, leaving at least one token of each row."""
    every = list(rows)
    return max(0, min(begin_alike(every), min(map(len, every)) - 1))


@dataclass(frozen=True)
class EncodedItem:
    """Token ids of one item; ``incorrect`` is None for single-answer items."""

    clean: Ids
    corrupted: Ids
    correct: Ids
    incorrect: Ids | None

    @property
    def aligned(self) -> bool:
        """Whether the two prompts have the same number of tokens."""
        return len(self.clean) == len(self.corrupted)


class Encoder:
    """Encodes the items of tasks for one tokenizer."""

    def __init__(self, tokenizer: Any, model_name: str) -> None:
        self.tokenizer = tokenizer
        self.model_name = model_name
        self._accepts_system: bool | None = None

    def encode(self, items: TaskItems, plan: PromptPlan) -> list[EncodedItem]:
        """All items of a task in the plan's wording, in order."""
        texts = items.wordings[plan.wording]
        clean = self._prompts([item.clean_prompt for item in texts], plan)
        corrupted = self._prompts([item.corrupted_prompt for item in texts], plan)
        correct = self._ids([item.correct for item in texts])
        incorrect: list[Ids] | list[None] = [None] * len(texts)
        if not items.single_answer:
            incorrect = self._ids([item.incorrect for item in texts if item.incorrect is not None])
        encoded = [
            EncodedItem(*ids) for ids in zip(clean, corrupted, correct, incorrect, strict=True)
        ]
        self._refuse_empty(items.task, encoded)
        return encoded

    def _ids(self, texts: list[str]) -> list[Ids]:
        if not texts:
            return []
        batch = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return [tuple(ids) for ids in batch]

    def _prompts(self, texts: list[str], plan: PromptPlan) -> list[Ids]:
        if plan.wrapped:
            return self._ids([self._wrap(text, plan.system) for text in texts])
        start: Ids = ()
        if plan.bos:
            bos = self.tokenizer.bos_token_id
            if bos is None:
                raise UserError.at(
                    f"models.{self.model_name}.bos",
                    "the tokenizer has no BOS token",
                    "set bos: none",
                )
            start = (bos,)
        return [start + ids for ids in self._ids(texts)]

    def _wrap(self, text: str, system: str | None) -> str:
        """The chat template around one user turn, ready for the model's answer."""
        messages = [{"role": "user", "content": text}]
        if system is not None and self._takes_system_turn():
            messages.insert(0, {"role": "system", "content": system})
        wrapped: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return wrapped

    def _takes_system_turn(self) -> bool:
        """Some templates refuse a system role; such a model gets none (said once in the log)."""
        if self._accepts_system is None:
            probe = [{"role": "system", "content": ""}, {"role": "user", "content": "x"}]
            try:
                self.tokenizer.apply_chat_template(
                    probe, tokenize=False, add_generation_prompt=True
                )
                self._accepts_system = True
            except Exception as error:  # templates raise what they like
                log.warning(
                    "%s: the chat template takes no system turn (%s); none is sent",
                    self.model_name,
                    error,
                )
                self._accepts_system = False
        return self._accepts_system

    def _refuse_empty(self, task: str, encoded: list[EncodedItem]) -> None:
        problems = []
        for number, item in enumerate(encoded):
            for field in ("clean", "corrupted", "correct", "incorrect"):
                if getattr(item, field) == ():
                    problems.append(
                        Problem(
                            f"{task}, item {number}",
                            f"the {field} text has no tokens under the tokenizer of {self.model_name}",
                        )
                    )
        if problems:
            raise UserError(*problems[:20])
