"""What benches share: the embedded model, alternating rounds, the floating-point bound, JSON of results."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

# The published procedures, as the GPU check times them.
from gpu.plain import padded  # noqa: E402

RESULTS = ROOT / "results" / "bench"


def smollm2():
    """(the default study, its embedded model), with a thread for every core."""
    from brodmann.config.load import load_config
    from brodmann.models.cache import Cache
    from brodmann.models.load import load_model
    from brodmann.models.sources import fetch, locate

    torch.set_num_threads(os.cpu_count() or 1)
    study = load_config([ROOT / "config.yaml"], root=ROOT).study
    entry, cache = study.model("smollm2"), Cache()
    return study, load_model(locate(entry, cache, fetch(entry, cache)), name="smollm2")


def items_of(model, task, count):
    """Items of a task as token ids, in the wording for completion."""
    from brodmann.runner.encode import Encoder
    from brodmann.runner.prompting import PromptPlan
    from brodmann.tasks.catalogue import task_path
    from brodmann.tasks.definition import load_definition
    from brodmann.tasks.expand import expand

    made = expand(task, load_definition(task_path(ROOT / "data", task)), seed=0, count=count)
    plan = PromptPlan("completion", wrapped=False)
    return Encoder(model.tokenizer, "smollm2").encode(made, plan)


def rounds_of(slow, fast, rounds):
    """Seconds [rounds, 2] and the last results of both, which take turns."""
    seconds, results = [], []
    for _ in range(rounds):
        results = []
        seconds.append([])
        for run in (slow, fast):
            start = time.perf_counter()
            results.append(run())
            seconds[-1].append(time.perf_counter() - start)
    return np.array(seconds), results


def matmul_rate(model, rows=512):
    """Operations per second of a product with an MLP's weights: what the machine gives at best. Told by core,
    as rates.yaml has it."""
    left = torch.randn(rows, model.hidden_size)
    right = torch.randn(model.hidden_size, model.neurons_per_layer)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(40):
            left @ right
        best = max(best, 40 * 2 * left.numel() * right.shape[1] / (time.perf_counter() - start))
    print(
        f"products with weights: {best / torch.get_num_threads():.2g} operations a second and core"
    )
    return best


def operations(model, rows, scored=0, floor=0):
    """Of products with weights that texts need: each node of their prefix tree in the blocks from ``floor``
    on, and ``scored`` tokens in the head."""
    from brodmann.runner.trees import Tree

    tree = Tree()
    for row in rows:
        tree.add(row)
    blocks = model.hf.get_submodule(model.architecture.blocks)
    weights = sum(p.numel() for block in blocks[floor:] for p in block.parameters())
    head = model.hidden_size * model.vocabulary_size
    return 2 * (len(tree) * weights + scored * head)


def padded_scores(model, queries, size=8):
    """lp(target | context) the plain way: batches of ``size`` rows, padded on the right, all logits."""
    found = []
    for start in range(0, len(queries), size):
        batch = queries[start : start + size]
        rows = [query.context + query.target for query in batch]
        ids, mask = padded(rows, model.device)
        with torch.no_grad():
            log_probs = model.hf(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
        for own, query in zip(log_probs, batch, strict=True):
            first = len(query.context) - 1
            places = range(first, first + len(query.target))
            found.append(float(own[list(places), list(query.target)].double().sum()))
    return np.array(found)


def report(name, what, seconds, bound, error, **facts):
    """Print a line, write ``results/bench/{name}.json``, refuse results that do not agree.

    ``seconds`` [rounds, 2]: the plain procedure's and ours. ``bound``: the least that ours could take.
    """
    best = seconds.min(0)
    ratios = seconds[:, 0] / seconds[:, 1]
    found = {
        "plain_seconds": float(best[0]),
        "seconds": float(best[1]),
        "ratio": [float(ratios.min()), float(ratios.max())],
        "bound_seconds": float(bound),
        "share_of_bound": float(bound / best[1]),
        "difference": float(error),
        **facts,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"what": what, **found}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(
        f"{what}: plainly {best[0]:.2f} s, brodmann {best[1]:.2f} s; ratio {ratios.min():.1f} to "
        f"{ratios.max():.1f}; {100 * bound / best[1]:.0f} % of the floating-point bound; largest "
        f"difference {error:.1e}",
        flush=True,
    )
    if error > 1e-4:
        raise SystemExit("the two do not agree")
