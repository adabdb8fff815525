"""Localizers and their lesions: ours against the published way of running them, on the embedded model.

    make bench            (or: python tests/bench/bench_localizer.py --texts 20 --rounds 1 language)

The published way runs one text at a time, every logit computed, and keeps every block's output of every
text until all have been run; a lesioned model is asked in padded batches of 8, every logit computed. Both
ways give the same t and the same log-probabilities, which is checked; rounds alternate, and the ratio of each
round is reported.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch
from common import (
    ROOT,
    items_of,
    matmul_rate,
    operations,
    padded_scores,
    report,
    rounds_of,
    smollm2,
)


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

    return measure(activations, *sides, pooling)


def lesions_of(found, settings):
    """Units [n, 2] of every lesion, random ones included, from below; none of the intact model."""
    from brodmann.localizers.selection import random_units, select

    every = []
    for size in settings.lesioned:
        own = select(found, size, range=settings.range, seed=settings.seed)
        every += [own, *(random_units(found, own, seed) for seed in settings.lesion.seeds)]
    return [[], *sorted((sorted(units.pairs) for units in every), key=lambda pairs: pairs[0])]


def plainly_lesioned(model, queries, lesions, site):
    from brodmann.localizers.lesion import lesion

    found = []
    for units in lesions:
        with lesion(model, units, site=site):
            found.append(padded_scores(model, queries))
    return np.array(found)


def our_lesions(model, queries, lesions, site):
    from brodmann.localizers.lesion import lesion
    from brodmann.runner.engine import Engine
    from brodmann.runner.repeated import Scored

    scored, found = Scored(Engine(model), queries), []
    for units in lesions:
        with lesion(model, units, site=site):
            found.append(scored.log_probabilities(units[0][0] if units else 0))
    return np.array(found)


def main():
    from brodmann.runner.activations import Activations
    from brodmann.runner.answers import queries_of
    from brodmann.runner.perplexity import passage_queries
    from brodmann.runner.texts import encode_texts
    from brodmann.stimuli.reader import load_contrast
    from brodmann.stimuli.texts import read_passages

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, help="of each kind; all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("networks", nargs="*", help="all")
    options = parser.parse_args()
    study, model = smollm2()
    settings = study.localizer
    activations = Activations(model, site=settings.site)
    rate = matmul_rate(model)
    lesioned = settings.lesion
    queries = passage_queries(model.tokenizer, read_passages(lesioned.corpus)[: lesioned.passages])
    for task in lesioned.tasks:
        for item in items_of(model, task, lesioned.items):
            if item.incorrect is not None or item.aligned:
                queries += queries_of(item)[:2] if item.incorrect else queries_of(item)[2:]
    rows, scored = [query.row for query in queries], sum(len(query.target) for query in queries)
    for network in options.networks or settings.networks:
        contrast = load_contrast(network, ROOT / "stimuli", seed=settings.seed)
        wanted = settings.stimulation(network)
        sides = [
            encode_texts(model.tokenizer, texts[: options.texts], truncate=wanted["truncate"])
            for texts in (contrast.positive, contrast.negative)
        ]
        seconds, (plain, own) = rounds_of(
            partial(published, model, sides, wanted["pooling"]),
            partial(ours, activations, sides, wanted["pooling"]),
            options.rounds,
        )
        texts = [row for side in sides for row in side]
        bound = sum(operations(model, side) for side in sides) / rate
        error = np.abs(plain - own.t).max() / np.abs(plain).max()
        what = f"{network}, {len(texts)} texts of {sum(map(len, texts))} tokens"
        report(f"localizer.{network}", what, seconds, bound, error, matmul_rate=rate)

        lesions = lesions_of(own, settings)
        seconds, results = rounds_of(
            partial(plainly_lesioned, model, queries, lesions, settings.site),
            partial(our_lesions, model, queries, lesions, settings.site),
            options.rounds,
        )
        floors = [units[0][0] if units else 0 for units in lesions]
        bound = sum(operations(model, rows, scored, floor) for floor in floors) / rate
        error = np.abs(results[0] - results[1]).max() / np.abs(results[0]).max()
        what = f"lesions of {network}, {len(lesions)} models on {len(queries)} rows"
        report(
            f"lesions.{network}",
            what,
            seconds,
            bound,
            error,
            matmul_rate=rate,
            lowest_layers=floors,
        )


if __name__ == "__main__":
    main()
