"""Localizers: ours against the published way of running them, side by side on the embedded model.

    make bench            (or: python tests/bench/bench_localizer.py --texts 100)

The published way runs one text at a time, every logit computed, and keeps every block's output of every
text until all have been run. Both ways give the same t, which is checked; rounds alternate, and the ratio of
each round is reported.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]


def published(model, sides, pooling):
    """t [layers, units] by one forward pass per text, then scipy's test."""
    from scipy.stats import ttest_ind

    blocks = [
        model.hf.get_submodule(f"{model.architecture.blocks}.{n}") for n in range(model.n_layers)
    ]
    kept = {}

    def keep(n):
        def hook(_, __, output):
            kept[n] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = [block.register_forward_hook(keep(n)) for n, block in enumerate(blocks)]
    responses = []
    for rows in sides:
        values = []
        for row in rows:
            with torch.no_grad():
                model.hf(input_ids=torch.tensor([row]))
            layers = torch.stack([kept[n][0] for n in range(model.n_layers)])
            pooled = layers[:, -1] if pooling == "last-token" else layers.mean(1)
            values.append(pooled.abs())
        responses.append(torch.stack(values).double().numpy())
    for handle in handles:
        handle.remove()
    return ttest_ind(*responses, axis=0, equal_var=False).statistic


def ours(activations, sides, pooling):
    from brodmann.localizers.selectivity import measure

    return measure(activations, *sides, pooling).t


def main():
    from brodmann.config.load import load_config
    from brodmann.models.cache import Cache
    from brodmann.models.load import load_model
    from brodmann.models.sources import fetch, locate
    from brodmann.runner.activations import Activations
    from brodmann.runner.texts import encode_texts
    from brodmann.stimuli.reader import load_contrast

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=100, help="of each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("networks", nargs="*", default=["language", "multiple_demand"])
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    study = load_config([ROOT / "config.yaml"], root=ROOT).study
    entry, cache = study.model("smollm2"), Cache()
    model = load_model(locate(entry, cache, fetch(entry, cache)), name="smollm2")
    activations = Activations(model)
    for network in options.networks:
        contrast = load_contrast(network, ROOT / "stimuli", seed=42)
        pooling, truncate = ("last-token", 12) if network == "language" else ("mean", None)
        sides = [
            encode_texts(model.tokenizer, texts[: options.texts], truncate=truncate)
            for texts in (contrast.positive, contrast.negative)
        ]
        rounds = []
        for _ in range(options.rounds):
            times, results = [], []
            for run in (
                partial(published, model, sides, pooling),
                partial(ours, activations, sides, pooling),
            ):
                start = time.perf_counter()
                results.append(run())
                times.append(time.perf_counter() - start)
            rounds.append(times)
        error = float(abs(results[0] - results[1]).max() / abs(results[0]).max())
        ratios = sorted(slow / fast for slow, fast in rounds)
        best = [min(column) for column in zip(*rounds, strict=True)]
        print(
            f"{network}: published {best[0]:.2f} s, brodmann {best[1]:.2f} s for "
            f"{sum(map(len, sides))} texts; ratio {ratios[0]:.1f} to {ratios[-1]:.1f}; "
            f"largest difference of t {error:.1e} of the maximum",
            flush=True,
        )
        if error > 1e-5:
            sys.exit("the two do not agree")


if __name__ == "__main__":
    main()
