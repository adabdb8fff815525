"""Ablation: ours against the published procedure done plainly, side by side on the embedded model.

    make bench            (or: python tests/bench/bench_ablation.py --items 2 --pairs 1 physical/buoyancy)

The plain procedure takes one lesion of one target at a time, in padded batches of 8 items: for either answer
a run on the corrupted prompt that gives the activations, an intact run, and a run with hooks that write them;
every logit computed. It is timed on some lesions of every target, and its time extrapolated to all: it is the
same for every lesion. Both ways give the same log-probabilities, which is checked on those lesions.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch
from common import items_of, matmul_rate, padded, report, rounds_of, smollm2

BATCH = 8
TASKS = (
    *("language/hypernymy", "language/npi", "language/subject_verb_agreement"),
    *("formal/number_sorting", "formal/logic_syllogism"),
    *("physical/buoyancy", "physical/newton", "physical/prost"),
    *("social/desires_goals", "social/social_relations"),
)
SHARE = 0.001  # of all units that a circuit has


def plainly(model, items, lesion):
    """log-probabilities [items, answers] under one lesion (layer -> units), batch by batch."""
    modules = [
        model.hf.get_submodule(f"{model.architecture.blocks}.{n}.{model.architecture.mlp_hidden}")
        for n in range(model.n_layers)
    ]
    kept = {}

    def keep(layer):
        return lambda _, args: kept.__setitem__(layer, args[0])

    def write(layer, units):
        def hook(_, args):
            value = args[0].clone()
            value[..., units] = kept[layer][..., units]
            return (value, *args[1:])

        return hook

    def run(rows, hooks=()):
        ids, mask = padded(rows, model.device)
        handles = [modules[layer].register_forward_pre_hook(hook) for layer, hook in hooks]
        try:
            with torch.no_grad():
                return model.hf(input_ids=ids, attention_mask=mask).logits
        finally:
            for handle in handles:
                handle.remove()

    found = np.zeros((len(items), 2))
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        for column, answer in enumerate(("correct", "incorrect")):
            answers = [getattr(item, answer) for item in batch]
            corrupted = [item.corrupted + own for item, own in zip(batch, answers, strict=True)]
            clean = [item.clean + own for item, own in zip(batch, answers, strict=True)]
            run(corrupted, [(layer, keep(layer)) for layer in lesion])
            run(clean)
            logits = run(clean, [(layer, write(layer, units)) for layer, units in lesion.items()])
            log_probs = logits.float().log_softmax(-1)
            for place, (item, own) in enumerate(zip(batch, answers, strict=True)):
                first = len(item.clean) - 1
                places = list(range(first, first + len(own)))
                found[start + place, column] = log_probs[place, places, list(own)].double().sum()
    return found


def circuits(model, targets):
    """The units with the largest attribution to each task, as flat indices."""
    from brodmann.circuits.attribution import Attributor

    attributor, found = Attributor(model), []
    for task, items in targets.items():
        total = torch.zeros(model.n_layers, model.neurons_per_layer)
        for part in attributor.contributions(task, items):
            total += part.values["neurons"].sum(0)
        found.append(total.reshape(-1).topk(round(SHARE * total.numel())).indices.numpy())
    return found


def operations(model, targets, lesions):
    """Of products with weights that cannot be spared, the intact scores included.

    Donors and intact rows once: every node of their prefix tree. Under a lesion: what follows the prompts'
    common beginning, in the blocks from its lowest edit on. The head: at scored tokens.
    """
    from brodmann.circuits.lesions import rows_of
    from brodmann.runner.trees import Tree

    blocks = [
        sum(parameter.numel() for parameter in block.parameters())
        for block in model.hf.get_submodule(model.architecture.blocks)
    ]
    head = model.hidden_size * model.vocabulary_size
    above = sum(sum(blocks[lesion.lowest :]) for lesion in lesions)
    total = 0
    for items in targets.values():
        shared = Tree()
        for item in items:
            own, scored = Tree(), set()
            for row in rows_of(item, "corrupted"):
                shared.add(row.ids)
                shared.add(row.donor)
                nodes = own.add(row.changed)
                scored |= {nodes[score.place - row.begin] for score in row.scores}
            total += len(own) * above + len(scored) * head * (1 + len(lesions))
        total += len(shared) * sum(blocks)
    return 2 * total


def main():
    from brodmann.circuits.ablation import Ablator, Lesion

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=8, help="of each target")
    parser.add_argument("--controls", type=int, default=3, help="lesions of random units")
    parser.add_argument("--pairs", type=int, default=1, help="lesions of a target timed plainly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help="sources, and targets")
    options = parser.parse_args()
    _, model = smollm2()
    targets = {}
    for task in options.tasks:
        aligned = [item for item in items_of(model, task, 4 * options.items) if item.aligned]
        targets[task] = aligned[: options.items]
    width = model.neurons_per_layer
    dice = np.random.default_rng(0)
    drawn = circuits(model, targets)
    units = model.n_layers * width
    drawn += [dice.choice(units, len(drawn[0]), replace=False) for _ in range(options.controls)]
    lesions = [Lesion.of(own, width) for own in drawn]
    # Each target's own turn of the lesions, so that all sources are among those that are timed plainly.
    timed = {
        task: [(place + n) % len(lesions) for n in range(options.pairs)]
        for place, task in enumerate(targets)
    }

    def plain():
        return [
            plainly(model, items, lesions[n].by_layer())
            for task, items in targets.items()
            for n in timed[task]
        ]

    def ours(ablator):
        every = [Lesion.of([], width), *lesions]
        return [ablator.scores(items, every, "corrupted") for items in targets.values()]

    seconds, (expected, scores) = rounds_of(plain, partial(ours, Ablator(model)), options.rounds)
    found = [own[1 + n] for own, task in zip(scores, targets, strict=True) for n in timed[task]]
    error = max(
        float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, expected, strict=True)
    )
    seconds[:, 0] *= len(lesions) / options.pairs
    bound = operations(model, targets, lesions) / matmul_rate(model)
    report(
        "ablation",
        f"ablation of {len(lesions)} lesions on {len(targets)} targets of "
        f"{options.items} items (plainly: extrapolated from {options.pairs} of them)",
        *(seconds, bound, error),
        lesions=len(lesions),
        targets=len(targets),
        items=options.items,
        plain_extrapolated_from=options.pairs,
    )


if __name__ == "__main__":
    main()
