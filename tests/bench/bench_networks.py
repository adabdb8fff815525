"""Functional networks: ours against scikit-learn and nilearn on one matrix, IoU against the plain loop, and
edits of the embedded model against padded batches.

    make bench            (or: python tests/bench/bench_networks.py --tokens 1600)

The matrix has the shape of SmolLM2's signals over 100 texts of 64 tokens (6,400 x 17,280), with planted
networks, so that it can be checked that everyone finds them. nilearn is left out where it is not installed.
Edits change as many units as a network has, in all layers, and are measured on as much as
config/networks.yaml says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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
from planted import matching, planted

K = 10


def ours(data, method):
    from brodmann.networks.decompose import decompose
    from brodmann.networks.signals import ArraySignals

    found = decompose(ArraySignals.of(data.values), K, method=method)
    return found.maps[:, 0], f"{found.facts['windows'][0]['reduction']}, 10 starts"


def scikit_learn(data):
    from sklearn.decomposition import FastICA

    values = (data.values - data.values.mean(0)) / data.values.std(0)
    return FastICA(K, random_state=0).fit(values).mixing_.T, "1 start"


def nilearn(data):
    from nibabel import Nifti1Image
    from nilearn.decomposition import CanICA

    values = (data.values - data.values.mean(0)) / data.values.std(0)
    tokens, units = values.shape
    side = (units, 1, 1)
    volume = Nifti1Image(values.T.reshape(*side, tokens), np.eye(4))
    mask = Nifti1Image(np.ones(side, np.uint8), np.eye(4))
    quiet = {"smoothing_fwhm": None, "standardize": False, "detrend": False, "threshold": None}
    model = CanICA(n_components=K, mask=mask, n_init=10, random_state=0, **quiet).fit(volume)
    return np.asarray(model.components_img_.dataobj).reshape(units, K).T, "10 starts"


def timed(name, run, data):
    start = time.perf_counter()
    try:
        maps, note = run(data)
    except ModuleNotFoundError as error:
        print(f"{name}: left out, {error.name} is not installed", flush=True)
        return None
    seconds = time.perf_counter() - start
    worst = matching(maps, data.maps).min()
    print(
        f"{name}: {seconds:.1f} s ({note}); worst correlation with a planted map {worst:.3f}",
        flush=True,
    )
    return worst


def compare_iou(networks, templates, units, looped):
    """Seconds of the product for all, and of the loop for ``looped`` networks, scaled to all."""
    from brodmann.networks.iou import from_units, iou

    dice = np.random.default_rng(0)
    size = units // 100
    members = [dice.choice(units, size, replace=False) for _ in range(300)]
    chosen = np.arange(networks) % len(members)
    starts = np.arange(0, (networks + 1) * size, size)
    many = from_units(np.concatenate([members[n] for n in chosen]), starts, units)
    few = from_units(np.concatenate(members[:templates]), starts[: templates + 1], units)
    start = time.perf_counter()
    found = iou(many, few)
    product = time.perf_counter() - start
    dense = [np.zeros(units, dtype=bool) for _ in range(max(looped, templates))]
    for mask, own in zip(dense, members, strict=False):
        mask[own] = True
    start = time.perf_counter()
    for i in range(looped):
        for j in range(templates):
            value = (dense[i] & dense[j]).sum() / (dense[i] | dense[j]).sum()
            assert abs(value - found[i, j]) < 1e-12
    loop = (time.perf_counter() - start) * networks / looped
    print(
        f"IoU of {networks} x {templates} maps of {units} units: product {product:.2f} s, "
        f"loop {loop:.0f} s; ratio {loop / product:.0f}",
        flush=True,
    )


def edits(count, rounds):
    """Perplexity and accuracy of edited models: 1 % of all units, of all layers, multiplied by 1.02."""
    from brodmann.runner.answers import queries_of
    from brodmann.runner.edits import edited
    from brodmann.runner.engine import Engine
    from brodmann.runner.perplexity import passage_queries
    from brodmann.runner.repeated import Scored
    from brodmann.stimuli.texts import read_passages

    study, model = smollm2()
    passages = read_passages(study.networks.use.editing.corpus or ROOT / "stimuli/corpus/prose.txt")
    queries = passage_queries(model.tokenizer, passages[:8])
    for task in ("language/subject_verb_agreement", "formal/number_sequence"):
        for item in items_of(model, task, 16):
            queries += queries_of(item)
    dice, width = np.random.default_rng(0), model.hidden_size
    total = model.n_layers * width
    chosen = [
        [divmod(unit, width) for unit in dice.choice(total, total // 100, replace=False).tolist()]
        for _ in range(count)
    ]

    def every(score):
        found = []
        for units in chosen:
            with edited(model, units, "multiply", 1.02):
                found.append(score(min(units)[0]))
        return np.array(found)

    scored = Scored(Engine(model), queries)
    scored.log_probabilities()  # trees and masks are made once for all edits
    seconds, results = rounds_of(
        lambda: every(lambda _: padded_scores(model, queries)),
        lambda: every(scored.log_probabilities),
        rounds,
    )
    rate, rows = matmul_rate(model), [query.row for query in queries]
    tokens = sum(len(query.target) for query in queries)
    bound = sum(operations(model, rows, tokens, min(units)[0]) for units in chosen) / rate
    error = np.abs(results[0] - results[1]).max() / np.abs(results[0]).max()
    what = f"an edit, on {len(queries)} rows"
    report("editing", what, seconds / count, bound / count, error, matmul_rate=rate, edits=count)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=6400)
    parser.add_argument("--units", type=int, default=17280)
    parser.add_argument("--edits", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    edits(options.edits, options.rounds)
    torch.set_num_threads(os.cpu_count() or 1)
    warnings.simplefilter("ignore")
    compare_iou(6400, 40, 100_352, 60)
    data = planted(options.tokens, options.units, K, size=150, noise=1.0)
    print(f"{K} components of {options.tokens} tokens x {options.units} units", flush=True)
    worst = [
        timed("brodmann CanICA", lambda data: ours(data, "canica"), data),
        timed("nilearn CanICA", nilearn, data),
        timed("brodmann FastICA", lambda data: ours(data, "fastica"), data),
        timed("scikit-learn FastICA", scikit_learn, data),
    ]
    if min(value for value in worst if value is not None) < 0.95:
        sys.exit("a planted network was not found")


if __name__ == "__main__":
    main()
