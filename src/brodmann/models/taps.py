"""The hidden neurons of experts, handed out: a *tap* in every module of experts, which they pass through.

transformers computes a mixture by an exchangeable function. Ours sorts tokens by expert and multiplies in
groups, as transformers' own ``grouped_mm`` does (in float64, which that does not take, expert by expert), but
spreads the neurons between the two products: the tap gets [batch, length, experts * neurons], 0 where a token
was not sent to an expert, and what it puts out is gathered again. So the neurons of an expert that a token
was not sent to may be set to anything: they write nothing.

A second tap is for the routes: the weights of all experts, [batch, length, experts], 0 of those that a token
is not sent to. Where routes are asked for, a token goes to the experts of the largest weights after the tap.
A third is for what each expert adds, times its weight: [batch, length, experts * hidden], 0 where a token was
not sent; its sum goes on, whatever of it was changed. A block without experts hands out what its MLP adds.
A fourth, in the router, is for its logits, [batch, length, experts]: the first product that it makes.

Taps run while they are ``shown``, as spreading takes memory. A model whose neurons nobody asks for is
computed as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from brodmann.models.experts import ADDED, LOGITS, ROUTES, TAP, Experts
from brodmann.models.families import Architecture
from brodmann.models.module_tree import module_at

if TYPE_CHECKING:
    from brodmann.models.load import LoadedModel

_NAME = "brodmann"


class Tap(nn.Module):
    """Puts out what it is given. ``rows``: (batch, length) of what its block is run on.

    ``holds``: whether the router's weights are constants to gradients. ``neurons``, ``routes``, ``added``,
    ``logits``: whether these are asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows = (0, 0)
        self.holds = self.neurons = self.routes = self.added = self.logits = False

    @property
    def asked(self) -> bool:
        """Whether its experts are to be computed here."""
        return self.holds or self.neurons or self.routes or self.added

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """[batch, length, width]"""
        return values


def give_taps(hf: nn.Module, architecture: Architecture, experts: Experts) -> None:
    """Taps for every module of experts; nothing else of the model changes."""
    from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS

    ALL_EXPERTS_FUNCTIONS.register(_NAME, run)
    for layer, block in enumerate(module_at(hf, architecture.blocks)):
        if not (path := experts.tapped(layer)):
            continue
        module = module_at(block, path)
        if hasattr(module, ADDED):
            continue
        for name in (TAP, ROUTES, ADDED) if experts.has(layer) else (ADDED,):
            module.add_module(name, Tap())
        if not experts.has(layer):
            module.register_forward_hook(_hand_out)
        elif experts.routers[layer]:
            router = module_at(block, experts.routers[layer])
            router.add_module(LOGITS, Tap())
            router.forward = partial(_weigh, router, router.forward)


def _hand_out(module: Any, _: Any, added: torch.Tensor) -> torch.Tensor | None:
    tap: Tap = getattr(module, ADDED)
    return tap(added) if tap.added else None


class _FirstProduct(TorchFunctionMode):
    """Within it, what the first linear product gives passes through a tap: a router's are its logits."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.tap, self.done = tap, False

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        if self.done or function is not torch.nn.functional.linear:
            return found
        self.done = True
        return self.tap(found.reshape(*self.tap.rows, -1)).reshape(found.shape)


def _weigh(router: Any, forward: Callable[..., Any], *args: Any, **given: Any) -> Any:
    tap: Tap = getattr(router, LOGITS)
    if not tap.logits:
        return forward(*args, **given)
    with _FirstProduct(tap):
        return forward(*args, **given)


def run_float64(hf: Any) -> None:
    """Let a float64 model's experts be computed one after another: torch's product by groups is for less."""
    if hf.dtype == torch.float64 and hf.config._experts_implementation == "grouped_mm":
        hf.set_experts_implementation("eager")


@contextmanager
def shown(
    model: LoadedModel, sites: Collection[str], *, holds: bool = False, routes: bool = False
) -> Iterator[None]:
    """Within it, what a mixture of experts has at ``sites`` is to be seen there.

    ``holds``: gradients do not go through the weights that routers give to experts. ``routes``: whether these
    weights are to be seen, too.
    """
    asked = {"neurons": "mlp_hidden" in sites, "added": "experts" in sites, "routes": routes}
    asked["logits"] = "router" in sites
    if model.experts is None or not (holds or any(asked.values())):
        yield
        return
    own_taps = {**asked, "holds": holds}
    blocks = module_at(model.hf, model.architecture.blocks)
    modules = [module_at(blocks[n], path) for n, path in enumerate(model.experts.paths) if path]
    with ExitStack() as after:
        # Llama 4's experts have none (``models.llama4``).
        configs = [module.config for module in modules if hasattr(module, "config")]
        for config in {id(config): config for config in configs}.values():
            own = config._experts_implementation_internal
            after.callback(setattr, config, "_experts_implementation_internal", own)
            config._experts_implementation_internal = _NAME
        taps = dict(enumerate(_taps(model.experts, blocks)))
        for tap in chain.from_iterable(taps.values()):
            for name, value in own_taps.items():
                after.callback(setattr, tap, name, getattr(tap, name))
                setattr(tap, name, value)
        for n, own in taps.items():
            hook = partial(_note_rows, own)
            handle = blocks[n].register_forward_pre_hook(hook, with_kwargs=True)
            after.callback(handle.remove)
        yield


def _taps(experts: Experts, blocks: Any) -> Iterator[list[Tap]]:
    """Of every block those that are told what is asked for."""
    for layer, block in enumerate(blocks):
        if not experts.has(layer):
            dense = experts.dense[layer]
            yield [getattr(module_at(block, dense), ADDED)] if dense else []
            continue
        router = experts.routers[layer]
        found = [getattr(module_at(block, experts.paths[layer]), TAP)]
        yield found + ([getattr(module_at(block, router), LOGITS)] if router else [])


def _note_rows(taps: Sequence[Tap], _: Any, args: tuple[Any, ...], given: dict[str, Any]) -> None:
    hidden = args[0] if args else given["hidden_states"]
    for tap in taps:
        tap.rows = (hidden.shape[0], hidden.shape[1])


def run(
    self: Any, hidden_states: torch.Tensor, top_k_index: torch.Tensor, top_k_weights: torch.Tensor
) -> torch.Tensor:
    """[tokens, hidden]: what experts make of tokens [tokens, hidden], each of which has some of them, with
    weights, both [tokens, chosen]. ``self``: the module of experts, of any of transformers' families."""
    from transformers.integrations.moe import _grouped_linear

    tap: Tap = getattr(self, TAP)
    tokens, chosen = top_k_index.shape
    if tap.routes:
        routes = top_k_weights.new_zeros(tokens, self.num_experts)
        routes = routes.scatter(1, top_k_index, top_k_weights)
        routes = getattr(self, ROUTES)(routes.reshape(*tap.rows, -1)).reshape(routes.shape)
        top_k_index = routes.abs().topk(chosen, dim=1).indices
        top_k_weights = routes.gather(1, top_k_index)
    order = top_k_index.reshape(-1).argsort(stable=True)
    expert = top_k_index.reshape(-1)[order]
    token = order // chosen
    ends = torch.bincount(expert, minlength=self.num_experts).cumsum(0).to(torch.int32)

    def product(values: torch.Tensor, name: str) -> torch.Tensor:
        weight, turned = getattr(self, name), self.is_transposed
        bias = getattr(self, f"{name}_bias")[expert] if self.has_bias else None
        if weight.dtype == torch.float64:
            weight = weight if turned else weight.transpose(1, 2)
            found = torch.ops.transformers.grouped_mm_fallback(values, weight, ends)
            return found if bias is None else found + bias
        return _grouped_linear(values, weight, ends, bias=bias, is_transposed=turned)

    weights = top_k_weights.reshape(-1)[order]
    weights = (weights.detach() if tap.holds else weights)[:, None]
    scales_input = getattr(self, "scales_input", False)
    values = hidden_states[token] * weights if scales_input else hidden_states[token]
    values = product(values, "gate_up_proj" if self.has_gate else "up_proj")
    values = self._apply_gate(values) if self.has_gate else self.act_fn(values)
    if tap.neurons:
        spread = values.new_zeros(tokens, self.num_experts, values.shape[-1])
        # A token that is sent to no expert at all is said to go to the first, with a weight of 0 (ZAYA).
        spread = spread.index_put((token, expert), values.where(weights != 0, 0))
        spread = tap(spread.reshape(*tap.rows, -1)).reshape(spread.shape)
        values = spread[token, expert]
    values = product(values, "down_proj")
    if self.has_post_expert_norm:
        values = self.post_expert_norm(values)
    if not scales_input:
        values = values * weights
    if tap.added:
        spread = values.new_zeros(tokens, self.num_experts, values.shape[-1])
        spread = spread.index_put((token, expert), values)
        spread = getattr(self, ADDED)(spread.reshape(*tap.rows, -1)).reshape(spread.shape)
        return spread.sum(1).to(hidden_states.dtype)
    # Back in the order of tokens, so that sums do not hang on how experts are numbered.
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    return values[back].view(tokens, chosen, -1).sum(1).to(hidden_states.dtype)
