"""Llama 4's experts, called as those of other families are, so that their neurons can be handed out.

Its own code sends every token through all experts, and multiplies what goes in, by 0 for all but the chosen.
While something of experts is asked for (``models.taps``), tokens go through the chosen ones alone, with the
same factor in the same place. Otherwise the model is computed by its own code. In both cases the mixture's
output gets the shape of its input, which the block gives it anyway.
"""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import Any

import torch

from brodmann.models.experts import TAP

_MIXTURE = "Llama4TextMoe"


def adapt(hf: Any) -> None:
    """Adapt every mixture of a model that is of Llama 4's kind; others have none."""
    for module in hf.modules():
        if type(module).__name__ == _MIXTURE and not hasattr(module.experts, "scales_input"):
            _describe(module.experts)
            module.forward = MethodType(_mix, module)


def _describe(experts: Any) -> None:
    """What transformers notes of other families' experts."""
    from transformers.integrations.moe import _default_apply_gate

    experts.has_gate = experts.is_transposed = experts.scales_input = True
    experts.has_bias = experts.has_post_expert_norm = False
    experts._apply_gate = partial(_default_apply_gate, experts)
    experts.forward = MethodType(_run_experts, experts)


def _mix(self: Any, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[batch, length, hidden] -> the same, and the router's logits."""
    tap = getattr(self.experts, TAP, None)
    if tap is None or not tap.asked:
        added, logits = type(self).forward(self, hidden_states)
        return added.view(hidden_states.shape), logits
    tokens = hidden_states.reshape(-1, self.hidden_dim)
    scores, logits = self.router(tokens)
    weights, chosen = scores.topk(self.top_k, dim=1)
    added = self.shared_expert(tokens) + self.experts(tokens, chosen, weights)
    return added.view(hidden_states.shape), logits


def _run_experts(self: Any, tokens: torch.Tensor, *routes: torch.Tensor) -> torch.Tensor:
    """By ``models.taps`` where it is said which experts tokens go to, else by the model's own code."""
    from brodmann.models.taps import run

    return run(self, tokens, *routes) if routes else type(self).forward(self, tokens)
