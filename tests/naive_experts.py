"""Experts by definition, their hidden neurons and what they add: every token through each of its experts, one
after another.

Nothing of ``brodmann`` computes here, and nothing of transformers' own ways of running experts either: blocks
and routers are its own, the experts are these loops over its weights.
"""

from contextlib import contextmanager
from functools import partial

import torch


def gated(module, both):
    """[neurons] of what the first projection gives, [2 * neurons]."""
    if hasattr(module, "alpha"):  # gpt-oss: interleaved, clamped, with a gate of its own
        gate, up = both[0::2].clamp(max=module.limit), both[1::2].clamp(-module.limit, module.limit)
        return gate * torch.sigmoid(module.alpha * gate) * (up + 1)
    half = len(both) // 2
    return module.act_fn(both[:half]) * both[half:]


def of_token(module, token, expert):
    """An expert's hidden neurons for one token [hidden]."""
    if not hasattr(module, "gate_up_proj"):  # Nemotron-H
        return module.act_fn(product(module, "up_proj", token, expert))
    return gated(module, product(module, "gate_up_proj", token, expert))


def written(module, neurons, expert):
    """[hidden]: what an expert makes of its hidden neurons."""
    return product(module, "down_proj", neurons, expert)


def product(module, name, values, expert):
    """What a projection makes of values, with its bias if it has one; some keep their weights transposed."""
    weight, bias = getattr(module, name)[expert], getattr(module, f"{name}_bias", None)
    found = values @ weight if module.is_transposed else weight @ values
    return found if bias is None else found + bias[expert]


def run(
    module,
    hidden,
    chosen,
    weights,
    *,
    layer,
    edit,
    kept,
    routes,
    through_routers,
    whole,
    scales_input,
):
    """In place of the forward of a module of experts, on one sequence."""
    if routes is not None:
        chosen, weights = routes.setdefault(layer, (chosen, weights))
    weights = weights if through_routers else weights.detach()
    if whole:
        return run_whole(module, hidden, chosen, weights, layer, edit, kept, scales_input)
    size = module.down_proj.shape[-2 if module.is_transposed else -1]
    rows = []
    for token, experts, shares in zip(hidden, chosen.tolist(), weights, strict=True):
        parts = [token.new_zeros(size)] * module.num_experts
        for e, share in zip(experts, shares, strict=True):
            parts[e] = of_token(module, share * token if scales_input else token, e)
        rows.append(torch.cat(parts))
    if scales_input:
        weights = torch.ones_like(weights)
    units = torch.stack(rows)[None]
    kept[layer] = units if edit is None else edit(layer, units)
    rows = []
    for units, experts, shares in zip(kept[layer][0], chosen.tolist(), weights, strict=True):
        own = [units[e * size : (e + 1) * size] for e in experts]
        rows.append(
            sum(s * written(module, u, e) for s, u, e in zip(shares, own, experts, strict=True))
        )
    return torch.stack(rows).to(hidden.dtype)


def run_whole(module, hidden, chosen, weights, layer, edit, kept, scales_input):
    """The same, of what each expert adds, times its weight: [1, length, experts * hidden]."""
    rows = []
    for token, experts, shares in zip(hidden, chosen.tolist(), weights, strict=True):
        added = [torch.zeros_like(token)] * module.num_experts
        for expert, share in zip(experts, shares, strict=True):
            before, after = (share, 1) if scales_input else (1, share)
            neurons = of_token(module, before * token, expert)
            added[expert] = after * written(module, neurons, expert)
        rows.append(torch.cat(added))
    units = torch.stack(rows)[None]
    kept[layer] = units if edit is None else edit(layer, units)
    return kept[layer][0].unflatten(-1, (module.num_experts, -1)).sum(1).to(hidden.dtype)


def weighed(router, logits):
    """(logits, weights, experts) by a family's own rule; logits [tokens, experts]."""
    kind = type(router).__name__
    if kind.startswith("Llama4"):  # weights of all, those that are not chosen have none
        best = logits.topk(router.top_k)
        return torch.zeros_like(logits).scatter(1, best.indices, best.values.sigmoid()), logits
    if hasattr(router, "e_score_correction_bias"):  # DeepSeek-V3; one group of experts
        scores = logits.sigmoid()
        best = (scores + router.e_score_correction_bias).topk(router.top_k)
        weights = scores.gather(1, best.indices)
        total = weights.sum(-1, keepdim=True) if router.norm_topk_prob else 1
        return logits, router.routed_scaling_factor * weights / total, best.indices
    if kind.startswith(("GptOss", "GraniteMoe")):  # the chosen ones' logits alone
        best = logits.topk(router.top_k)
        return logits, best.values.softmax(-1), best.indices
    best = logits.softmax(-1).topk(router.top_k)
    scale = kind.startswith("Mixtral") or getattr(router, "norm_topk_prob", False)
    total = best.values.sum(-1, keepdim=True) if scale else 1
    weights = best.values * getattr(router, "routed_scaling_factor", 1)
    return logits, weights / total, best.indices


@contextmanager
def routed(model, edit, length):
    """Within it, layer -> logits [1, ``length``, experts] of the routers of what the model is run on, 0 where
    a block has none."""
    kept, undo = {}, []

    def run_router(router, layer, hidden):
        hidden = hidden.reshape(-1, hidden.shape[-1])
        bias = getattr(router, "bias", None)
        units = (hidden @ router.weight.T + (0 if bias is None else bias))[None]
        kept[layer] = units if edit is None else edit(layer, units)
        return weighed(router, kept[layer][0])

    for layer, path in enumerate(model.experts.routers):
        if not path:
            kept[layer] = torch.zeros(1, length, model.experts.count)
            continue
        block = model.hf.get_submodule(model.architecture.blocks)[layer]
        router = block.get_submodule(path)
        undo.append(partial(setattr, router, "forward", router.forward))
        router.forward = partial(run_router, router, layer)
    try:
        yield kept
    finally:
        for one in undo:
            one()


def run_llama4(mixture, experts, hidden):
    """In place of Llama 4's own forward of a whole mixture."""
    tokens = hidden.reshape(-1, hidden.shape[-1])
    logits = tokens @ mixture.router.weight.T
    best = logits.topk(mixture.top_k)
    routed = experts(tokens, best.indices, torch.sigmoid(best.values))
    return (mixture.shared_expert(tokens) + routed).view(hidden.shape), logits


@contextmanager
def looped(model, edit, through_routers, routes=None, *, whole=False):
    """Within it, layer -> units [1, length, width] of whatever the model is run on.

    Blocks without experts have the neurons of their one MLP, and 0 beyond. ``routes``: layer -> (experts,
    weights) of every token that are held; filled with the model's own where they are not there yet.
    ``whole``: of experts instead of their neurons; the one MLP of a block without them is then its first.
    """
    kept, undo = {}, []
    width = model.experts.count * model.hidden_size if whole else model.neurons_per_layer

    def dense_whole(layer, _, __, added):
        own = added.shape[-1]
        units = torch.nn.functional.pad(added, (0, width - own))
        kept[layer] = units if edit is None else edit(layer, units)
        return kept[layer][..., :own]

    def dense(layer, _, args):
        own = args[0].shape[-1]
        units = torch.nn.functional.pad(args[0], (0, width - own))
        kept[layer] = units if edit is None else edit(layer, units)
        return (kept[layer][..., :own], *args[1:])

    def nothing(layer, _, args):
        kept[layer] = args[0].new_zeros(*args[0].shape[:-1], width)

    for layer, block in enumerate(model.hf.get_submodule(model.architecture.blocks)):
        experts = [
            one
            for one in block.modules()
            if getattr(one, "num_experts", 0)
            and isinstance(getattr(one, "down_proj", 0), torch.nn.Parameter)
        ]
        if not experts:
            down = block.get_submodule(model.experts.dense[layer])
            if down is block:  # it has no MLP
                hook = block.register_forward_pre_hook(partial(nothing, layer))
            elif whole:
                hook = down.register_forward_hook(partial(dense_whole, layer))
            else:
                hook = down.register_forward_pre_hook(partial(dense, layer))
            undo.append(hook.remove)
            continue
        [module] = experts
        llama4 = type(getattr(block, "feed_forward", None)).__name__.startswith("Llama4")
        mixture = block.feed_forward if llama4 else module
        # nnsight has put its own there.
        undo.append(partial(setattr, mixture, "forward", mixture.forward))
        own = partial(
            *(run, module),
            **{"layer": layer, "edit": edit, "kept": kept, "whole": whole},
            routes=routes,
            through_routers=through_routers,
            scales_input=llama4,
        )
        mixture.forward = partial(run_llama4, mixture, own) if llama4 else own
    try:
        yield kept
    finally:
        for one in undo:
            one()
