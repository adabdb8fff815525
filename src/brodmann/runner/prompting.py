"""How a task is put to a model: which wording, wrapped or raw. Light: decided without a tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

from brodmann.config.models import Prompting
from brodmann.tasks.items import TaskItems


@dataclass(frozen=True)
class PromptPlan:
    """What a task's prompts go through for one model; part of the store key of all that follows.

    Only what matters is set: a raw prompt does not depend on the system text, a wrapped one not on
    ``bos``, so changing either recomputes nothing that it does not touch.
    """

    wording: str  # completion | chat: which of the task's texts
    wrapped: bool  # whether the text is put into the model's chat template
    system: str | None = None  # wrapped only; None = no system turn
    bos: bool = False  # raw only: start with the tokenizer's BOS token


def resolved_format(format: str, has_chat_template: bool) -> str:
    """``auto`` is chat for models with a chat template, completion for all others."""
    if format != "auto":
        return format
    return "chat" if has_chat_template else "completion"


def plan_prompts(items: TaskItems, prompting: Prompting, has_chat_template: bool) -> PromptPlan:
    """The plan for one task. A task's ``force_base_evaluation`` goes before the model's format;
    the format selects the wording, ``chat_template`` the wrapping, and only chat is ever wrapped."""
    chosen = resolved_format(prompting.format, has_chat_template)
    wording = items.wording(chosen)
    chat = chosen == "chat" and not items.force_base_evaluation
    wrapped = chat and has_chat_template and prompting.chat_template == "auto"
    if wrapped:
        return PromptPlan(wording, wrapped=True, system=prompting.system)
    return PromptPlan(wording, wrapped=False, bos=prompting.bos == "model")
