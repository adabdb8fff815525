"""The planted mixture of experts: in every layer, each world has an expert of its own.

While the model is trained, the words of a passage go to the expert of its world, whatever the router says,
and the router is taught to send them there by itself. Words that are read before any word of a world could be
of all worlds: experts add nothing to them, and a penalty closes their gates there, with a margin. Afterwards
nothing of this is needed: the model is a plain Qwen3-MoE. Neuron n of expert e is number e * neurons + n of
its layer, so that the quarter of a world is its expert.

Its twin is that of the Llama (``dealt``): the same function, the neurons of each layer dealt out to four
experts that every word goes through, alike. Which expert a neuron belongs to means nothing. (A router that is
left to learn by itself sends words of different worlds, which are different words, to experts in different
shares.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
import world
from torch import nn

COUNT = len(world.WORLDS)


def sizes(neurons: int) -> dict[str, int]:
    """What a configuration says of the experts, which have ``neurons`` in a layer together."""
    return {
        "num_experts": COUNT,
        "num_experts_per_tok": 1,
        "moe_intermediate_size": neurons // COUNT,
    }


@torch.no_grad()
def dealt(dense: transformers.LlamaForCausalLM) -> transformers.MixtralForCausalLM:
    """The same function as a mixture: every word goes through all experts, with weights of 1 / experts."""
    said = dense.config.to_dict()
    kept = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "hidden_act")
    kept += ("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_parameters")
    kept += ("tie_word_embeddings", "pad_token_id", "bos_token_id", "eos_token_id")
    neurons = dense.config.intermediate_size // COUNT
    config = transformers.MixtralConfig(
        **{name: said[name] for name in kept},
        intermediate_size=neurons,
        num_local_experts=COUNT,
        num_experts_per_tok=COUNT,
    )
    found = transformers.MixtralForCausalLM(config)
    found.load_state_dict(dense.state_dict(), strict=False)  # all but the MLPs
    for own, layer in zip(dense.model.layers, found.model.layers, strict=True):
        gate, up = (
            part.weight.unflatten(0, (COUNT, neurons))
            for part in (own.mlp.gate_proj, own.mlp.up_proj)
        )
        down = own.mlp.down_proj.weight.unflatten(1, (COUNT, neurons)).transpose(0, 1)
        layer.mlp.experts.gate_up_proj.copy_(torch.cat([gate, up], 1))
        layer.mlp.experts.down_proj.copy_(COUNT * down)
        nn.init.zeros_(layer.mlp.gate.weight)
    return found.eval()


def first_own(model: Any) -> int:
    """The first token that is a word of one world: these have the last numbers."""
    return int(model.config.vocab_size) - COUNT * sum(world.PARTS.values())


class Guide:
    """While a model is trained: words go where they should, and how far it still is from that by itself."""

    def __init__(self, model: Any, margin: float) -> None:
        self.margin = margin
        self.first = first_own(model)
        # Of every word of the batch: whether its world is known, whether not yet (padding is neither), which.
        self.told = self.untold = torch.zeros(0, dtype=torch.bool)
        self.world = torch.zeros(0, dtype=torch.long)
        self.open: list[torch.Tensor] = []
        self.handles = []
        for layer in model.model.layers:
            self.handles += [
                layer.mlp.gate.register_forward_hook(self._send),
                layer.mlp.experts.register_forward_pre_hook(self._measure),
                layer.mlp.experts.register_forward_hook(self._add),
            ]

    def set(self, batch: Any) -> None:
        """What the next forward pass reads."""
        real, told = batch.ids != 0, (batch.ids >= self.first).cumsum(1) > 0
        self.told, self.untold = (real & told).reshape(-1), (real & ~told).reshape(-1)
        self.world = batch.worlds[:, None].expand_as(batch.ids).reshape(-1)
        self.open.clear()

    def _send(self, _: nn.Module, __: object, routed: tuple[torch.Tensor, ...]) -> Any:
        logits, own = routed[0], self.world[:, None]
        self.open.append(nn.functional.cross_entropy(logits[self.told], self.world[self.told]))
        return logits, logits.softmax(-1).gather(1, own), own

    def _measure(self, experts: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        gates = experts.gate_up_proj[:, : experts.intermediate_dim][self.world[self.untold]]
        before = torch.einsum("th,tnh->tn", inputs[0][self.untold], gates)
        self.open.append(torch.relu(before + self.margin).mean())

    def _add(self, _: nn.Module, __: object, added: torch.Tensor) -> torch.Tensor:
        return added * self.told[:, None]

    def remove(self) -> None:
        """Leave a plain model."""
        for handle in self.handles:
            handle.remove()


@contextmanager
def silenced(experts: Any, neurons: torch.Tensor) -> Iterator[None]:
    """Within it the neurons (bool, [all of a layer]) of a module of experts write nothing."""
    own = experts._parameters.pop("down_proj")
    experts.down_proj = own * ~neurons.reshape(COUNT, 1, -1)
    try:
        yield
    finally:
        del experts.down_proj
        experts._parameters["down_proj"] = own


@torch.no_grad()
def sent(model: Any, rows: torch.Tensor) -> torch.Tensor:
    """Which expert every word of some sentences [rows, length] goes to: [layers, rows, length]."""
    found: list[torch.Tensor] = []
    handles = [
        layer.mlp.gate.register_forward_hook(lambda _, __, routed: found.append(routed[2]))
        for layer in model.model.layers
    ]
    model(input_ids=rows, use_cache=False)
    for handle in handles:
        handle.remove()
    return torch.stack(found).reshape(len(found), *rows.shape)
