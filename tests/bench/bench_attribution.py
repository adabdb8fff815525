"""Attribution patching: ours against the published way of running it, side by side on the embedded model.

    make bench            (or: python tests/bench/bench_attribution.py --items 40)

The published way, per batch of 8 items: one clean forward pass over prompt and answer, then for either
answer a forward and a backward pass over the whole corrupted sequence, every logit computed. Both ways
give the same attribution, which is checked; rounds alternate, and the ratio of each round is reported.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
BATCH = 8


def published(model, items):
    """Mean attribution [layers, units] by whole sequences."""
    layers = [
        model.hf.get_submodule(f"{model.architecture.blocks}.{n}").get_submodule(
            model.architecture.mlp_hidden
        )
        for n in range(model.n_layers)
    ]
    total = torch.zeros(model.n_layers, model.neurons_per_layer)
    kept = {}

    def keep(n, watch):
        def hook(_, args):
            value = args[0].detach().requires_grad_(True) if watch and not n else args[0]
            kept[n] = value
            return (value, *args[1:])

        return hook

    def run(rows, watch):
        handles = [m.register_forward_pre_hook(keep(n, watch)) for n, m in enumerate(layers)]
        try:
            with torch.set_grad_enabled(watch):
                return model.hf(input_ids=torch.tensor(rows)).logits
        finally:
            for handle in handles:
                handle.remove()

    for batch in same_length_batches(items):
        last = len(batch[0].clean) - 1
        run([item.clean + item.correct for item in batch], watch=False)
        clean = [kept[n][:, last].clone() for n in range(model.n_layers)]
        for sign, answer in ((1, "correct"), (-1, "incorrect")):
            rows = [item.corrupted + getattr(item, answer) for item in batch]
            logits = run(rows, watch=True)
            log_probs = logits[:, :-1].float().log_softmax(-1)
            targets = torch.tensor(rows)[:, 1:, None]
            metric = sign * log_probs.gather(-1, targets)[:, last:].sum()
            values = [kept[n] for n in range(model.n_layers)]
            gradients = torch.autograd.grad(metric, values)
            for n, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
                total[n] += ((clean[n] - value[:, last].detach()) * gradient[:, last]).sum(0)
    return total / len(items)


def same_length_batches(items):
    lengths = defaultdict(list)
    for item in items:
        lengths[len(item.clean), len(item.correct), len(item.incorrect)].append(item)
    for same in lengths.values():
        for start in range(0, len(same), BATCH):
            yield same[start : start + BATCH]


def ours(attributor, items):
    total = sum(
        part.values["neurons"].sum(0) for part in attributor.contributions("bench/t", items)
    )
    return total / len(items)


def main():
    from brodmann.circuits.attribution import Attributor
    from brodmann.config.load import load_config
    from brodmann.models.cache import Cache
    from brodmann.models.load import load_model
    from brodmann.models.sources import fetch, locate
    from brodmann.runner.encode import Encoder
    from brodmann.runner.prompting import PromptPlan
    from brodmann.tasks.catalogue import task_path
    from brodmann.tasks.definition import load_definition
    from brodmann.tasks.expand import expand

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("tasks", nargs="*", default=["physical/buoyancy", "social/desires_goals"])
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    entry = load_config([ROOT / "config.yaml"], root=ROOT).study.model("smollm2")
    cache = Cache()
    model = load_model(locate(entry, cache, fetch(entry, cache)), name="smollm2")
    attributor = Attributor(model)
    encoder = Encoder(model.tokenizer, "smollm2")
    for task in options.tasks:
        made = expand(
            task, load_definition(task_path(ROOT / "data", task)), seed=0, count=options.items
        )
        encoded = encoder.encode(made, PromptPlan("completion", wrapped=False))
        items = [item for item in encoded if item.aligned]
        rounds = []
        for _ in range(options.rounds):
            times, results = [], []
            for run in (partial(published, model, items), partial(ours, attributor, items)):
                start = time.perf_counter()
                results.append(run())
                times.append(time.perf_counter() - start)
            rounds.append(times)
        scale = results[0].abs().max()
        error = float((results[0] - results[1]).abs().max() / scale)
        ratios = sorted(slow / fast for slow, fast in rounds)
        best = [min(column) for column in zip(*rounds, strict=True)]
        print(
            f"{task}: published {best[0]:.2f} s, brodmann {best[1]:.2f} s for {len(items)} items; "
            f"ratio {ratios[0]:.1f} to {ratios[-1]:.1f}; largest difference {error:.1e} of the maximum"
        )
        if error > 1e-4:
            sys.exit("the two do not agree")


if __name__ == "__main__":
    main()
