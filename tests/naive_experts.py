"""The hidden neurons of experts by definition: every token through each of its experts, one after another.

Nothing of ``brodmann`` computes here, and nothing of transformers' own ways of running experts either: blocks
and routers are its own, the experts are these loops over its weights.
"""

from contextlib import contextmanager
from functools import partial

import torch


def gated(module, both):
    """[neurons] of what the first projection gives, [2 * neurons]."""
    if hasattr(module, "limit"):  # gpt-oss: interleaved, clamped, with a gate of its own
        gate, up = both[0::2].clamp(max=module.limit), both[1::2].clamp(-module.limit, module.limit)
        return gate * torch.sigmoid(module.alpha * gate) * (up + 1)
    half = len(both) // 2
    return module.act_fn(both[:half]) * both[half:]


def of_token(module, token, expert):
    """An expert's hidden neurons for one token [hidden]."""
    weight = module.gate_up_proj[expert]
    if module.is_transposed:
        return gated(module, token @ weight + module.gate_up_proj_bias[expert])
    return gated(module, weight @ token)


def written(module, neurons, expert):
    """[hidden]: what an expert makes of its hidden neurons."""
    weight = module.down_proj[expert]
    if module.is_transposed:
        return neurons @ weight + module.down_proj_bias[expert]
    return weight @ neurons


def run(module, hidden, chosen, weights, *, layer, width, edit, kept, routes, through_routers):
    """In place of the forward of a module of experts, on one sequence."""
    if routes is not None:
        chosen, weights = routes.setdefault(layer, (chosen, weights))
    weights = weights if through_routers else weights.detach()
    size = width // module.num_experts
    rows = []
    for token, experts in zip(hidden, chosen.tolist(), strict=True):
        parts = [
            of_token(module, token, e) if e in experts else token.new_zeros(size)
            for e in range(module.num_experts)
        ]
        rows.append(torch.cat(parts))
    units = torch.stack(rows)[None]
    kept[layer] = units if edit is None else edit(layer, units)
    rows = []
    for units, experts, shares in zip(kept[layer][0], chosen.tolist(), weights, strict=True):
        own = [units[e * size : (e + 1) * size] for e in experts]
        rows.append(
            sum(s * written(module, u, e) for s, u, e in zip(shares, own, experts, strict=True))
        )
    return torch.stack(rows).to(hidden.dtype)


@contextmanager
def looped(model, edit, through_routers, routes=None):
    """Within it, layer -> units [1, length, width] of whatever the model is run on.

    Blocks without experts have the neurons of their one MLP, and 0 beyond. ``routes``: layer -> (experts,
    weights) of every token that are held; filled with the model's own where they are not there yet.
    """
    kept, undo, width = {}, [], model.neurons_per_layer

    def dense(layer, _, args):
        own = args[0].shape[-1]
        units = torch.nn.functional.pad(args[0], (0, width - own))
        kept[layer] = units if edit is None else edit(layer, units)
        return (kept[layer][..., :own], *args[1:])

    for layer, block in enumerate(model.hf.get_submodule(model.architecture.blocks)):
        experts = [
            one
            for one in block.modules()
            if getattr(one, "num_experts", 0) and hasattr(one, "down_proj")
        ]
        if not experts:
            [down] = [
                module
                for name, module in block.named_modules()
                if name.endswith(("mlp.down_proj", "feed_forward.down_proj", "feed_forward.w2"))
            ]
            hook = down.register_forward_pre_hook(partial(dense, layer))
            undo.append(hook.remove)
            continue
        [module] = experts
        # nnsight has put its own there.
        undo.append(partial(setattr, module, "forward", module.forward))
        module.forward = partial(
            *(run, module),
            **{"layer": layer, "width": width, "edit": edit, "kept": kept},
            routes=routes,
            through_routers=through_routers,
        )
    try:
        yield kept
    finally:
        for one in undo:
            one()
