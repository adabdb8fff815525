"""Naive references: what a number is by definition, in plain transformers, one sequence at a time."""

import torch
from naive_experts import looped, routed


def log_probability(model, prompt_ids, answer_ids):
    """lp(answer | prompt): full-sequence teacher forcing, no cache, no batch, every logit computed."""
    ids = torch.tensor([[*prompt_ids, *answer_ids]])
    with torch.no_grad():
        log_probs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    start = len(prompt_ids) - 1
    return sum(log_probs[start + n, token].item() for n, token in enumerate(answer_ids))


def _unit_module(model, component, layer):
    """The transformers module whose input holds the units, found by its dotted path; None in a block that has
    no such module."""
    architecture = model.architecture
    path = architecture.mlp_hidden if component == "neurons" else architecture.heads
    block = f"{architecture.blocks}.{layer}"
    return dict(model.hf.named_modules()).get(f"{block}.{path}")


def _run(model, ids, edit=None, component="neurons", through_routers=False, routes=None):
    """Logits [length, vocabulary] and every layer's units [length, width], by plain hooks.

    ``edit(layer, units)`` returns what the model goes on with. Sequence-first models are turned round.
    """
    if component in ("neurons", "experts") and model.experts is not None:
        whole = component == "experts"
        with looped(model, edit, through_routers, routes, whole=whole) as kept:
            return model.hf(input_ids=torch.tensor([ids])).logits[0], kept
    if component == "router":
        with routed(model, edit, len(ids)) as kept:
            return model.hf(input_ids=torch.tensor([ids])).logits[0], kept
    kept, handles = {}, []

    def hook(layer):
        def pre(_, args):
            flip = model.architecture.layout == "sequence_first"
            value = args[0].transpose(0, 1) if flip else args[0]
            if edit is not None:
                value = edit(layer, value)
            kept[layer] = value
            return (value.transpose(0, 1) if flip else value, *args[1:])

        return pre

    for layer in range(model.n_layers):
        module = _unit_module(model, component, layer)
        if module is None:
            width = model.width("heads" if component == "heads" else "mlp_hidden")
            kept[layer] = torch.zeros(1, len(ids), width)
        else:
            handles.append(module.register_forward_pre_hook(hook(layer)))
    try:
        logits = model.hf(input_ids=torch.tensor([ids])).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    return logits, kept


def _lp(logits, prompt, answer):
    log_probs = logits.float().log_softmax(-1)
    start = len(prompt) - 1
    return sum(log_probs[start + n, token] for n, token in enumerate(answer))


def _goals(item, both=True):
    goals = [(1, item.correct)]
    if item.incorrect is not None and both:
        goals.append((-1, item.incorrect))
    return goals


def naive_attribution(
    model,
    item,
    component,
    both=True,
    positions=(-1,),
    hold=lambda layer, value: value,
    through_routers=False,
):
    """One item's attribution [layers, units]: whole sequences, one answer after the other, no cache.

    (clean - corrupted activation) times the gradient on the corrupted run, summed over positions of the
    prompt, by default the last one. ``hold(layer, units)``: how both runs are changed. ``through_routers``:
    whether the gradient goes through the weights of experts, where neurons are experts'.
    """
    at = [range(len(item.clean))[n] for n in positions]
    with torch.no_grad():
        _, clean = _run(model, item.clean, hold, component)
    total = 0
    for sign, answer in _goals(item, both):

        def leaf(layer, value):
            value = hold(layer, value)
            if not value.requires_grad:
                value = value.detach().requires_grad_(True)
            return value

        with torch.enable_grad():
            logits, units = _run(model, item.corrupted + answer, leaf, component, through_routers)
            metric = sign * _lp(logits, item.corrupted, answer)
            values = [units[layer] for layer in range(model.n_layers)]
            there = [value for value in values if value.requires_grad]
            found = iter(torch.autograd.grad(metric, there))
            gradients = [next(found) if value.requires_grad else value for value in values]
        total = total + torch.stack(
            [
                ((clean[layer][0, at] - value[0, at].detach()) * gradient[0, at]).sum(0)
                for layer, (value, gradient) in enumerate(zip(values, gradients, strict=True))
            ]
        )
    return total.unflatten(-1, (-1, size_of(model, component))).sum(-1)


def size_of(model, component):
    """Dimensions of a unit."""
    sizes = {"heads": "head_dim", "experts": "hidden_size"}
    return getattr(model, sizes[component]) if component in sizes else 1


def naive_metric(model, item):
    """lp(correct) - lp(incorrect) after the corrupted prompt (lp(answer) of single-answer items)."""
    return naive_patched_metric(model, item, "neurons", [])


def naive_patched_metric(model, item, component, units, positions=(-1,)):
    """The same with the clean activation of some units (layer, index) at positions of the prompt."""
    places = [range(len(item.clean))[n] for n in positions]
    size = model.head_dim if component == "heads" else 1
    with torch.no_grad():
        _, clean = _run(model, item.clean, component=component)

        def patch(layer, value):
            value = value.clone()
            for at, unit in units:
                if at == layer:
                    where = slice(unit * size, (unit + 1) * size)
                    value[0, places, where] = clean[layer][0, places, where]
            return value

        total = 0.0
        for sign, answer in _goals(item):
            logits, _ = _run(model, item.corrupted + answer, patch, component)
            total += sign * _lp(logits, item.corrupted, answer).item()
    return total


def naive_lesion(model, item, component, units, kind, means=None, routes_held=False):
    """Scores of one item under one lesion: one answer at a time, whole sequences, plain hooks.

    ``units``: (layer, index) pairs. Dual: (lp(correct), lp(incorrect)) after the lesioned clean prompt.
    Single: lp(answer) after it, and the joints of both prompts, of all tokens but the first. ``routes_held``:
    every token keeps the experts that it has without the lesion.
    """
    size = size_of(model, component)

    def run(prompt, other, answer):
        with torch.no_grad():
            _, donor = _run(model, other + answer, component=component)

            def edit(layer, value):
                value = value.clone()
                for at, unit in units:
                    where = slice(unit * size, (unit + 1) * size)
                    if at == layer and kind == "corrupted":
                        value[0, :, where] = donor[layer][0, :, where]
                    elif at == layer:
                        value[0, :, where] = 0.0 if kind == "zero" else means[layer][where]
                return value

            routes = {} if routes_held else None
            if routes_held:
                _run(model, prompt + answer, component=component, routes=routes)
            return _run(model, prompt + answer, edit, component, routes=routes)[0]

    if item.incorrect is not None:
        return [
            _lp(run(item.clean, item.corrupted, answer), item.clean, answer).item()
            for answer in (item.correct, item.incorrect)
        ]
    clean = run(item.clean, item.corrupted, item.correct)
    corrupted = run(item.corrupted, item.clean, item.correct)

    def joint(logits, prompt):
        whole = prompt + item.correct
        return _lp(logits, whole[:1], whole[1:]).item()

    return [
        _lp(clean, item.clean, item.correct).item(),
        joint(clean, item.clean),
        joint(corrupted, item.corrupted),
    ]


def naive_means(model, items, component):
    """[layers, width]: every unit's mean over each item's clean prompt, then over items."""
    means = []
    for item in items:
        with torch.no_grad():
            _, units = _run(model, item.clean, component=component)
        means.append(torch.stack([units[n][0].mean(0) for n in range(model.n_layers)]))
    return torch.stack(means).mean(0)
