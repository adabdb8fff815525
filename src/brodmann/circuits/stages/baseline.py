"""Baseline stage: one pass per model that does the model work, one light job per task that reads it.

The pass loads the model only if some task's scores are not in the store, and puts each task's scores
there as soon as they are known; a killed pass loses one task at most. The light job applies the
inclusion rule, so changing a threshold touches no model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brodmann.circuits.inclusion import Baseline, Lent, baseline_of
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest, write_json
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.models.sources import WeightsRecord
from brodmann.provenance import software
from brodmann.runner.loading import load
from brodmann.runner.prompting import PromptPlan, plan_prompts
from brodmann.store import ledger
from brodmann.store.progress import progress
from brodmann.store.store import Store
from brodmann.tasks.items import TaskItems, read_items

log = logging.getLogger(__name__)


def store_key(card: ModelCard, items: TaskItems, plan: PromptPlan) -> str:
    """Hash of everything that the scores of one task depend on."""
    return digest(
        {
            "stage": "baseline",
            "method": METHODS["baseline"],
            "model": card.scoring_identity(),
            "prompts": asdict(plan),
            "items": items.digest(plan.wording),
        }
    )


def _plan(study: Study, card: ModelCard, items: TaskItems) -> PromptPlan:
    return plan_prompts(items, study.model(card.name).prompting, card.has_chat_template)


def run_pass(
    study: Study,
    *,
    model_json: str,
    record_file: str,
    item_files: Sequence[str],
    manifest: str,
    threads: int,
) -> None:
    """Rule ``baseline_pass``: compute what the store lacks, then write the manifest of all keys."""
    this = ledger.Pass(manifest)
    card = ModelCard.read(model_json)
    tasks = [read_items(path) for path in item_files]
    plans = {items.task: _plan(study, card, items) for items in tasks}
    keys = {items.task: store_key(card, items, plans[items.task]) for items in tasks}
    with Store(this.store / "baseline") as scores:
        missing = [items for items in tasks if keys[items.task] not in scores]
        log.info("%s: %d tasks, %d to compute", card.name, len(tasks), len(missing))
        forward_passes = 0
        if missing:
            model = load(study, card.name, WeightsRecord.read(record_file), threads)
            forward_passes = _score(study, model, missing, plans, keys, scores)
        scores.consolidate()
    computed = [items.task for items in missing]
    facts = {
        "stage": "baseline",
        "model_loads": int(bool(missing)),
        "forward_passes": forward_passes,
        "computed": computed,
        "reused": [task for task in keys if task not in computed],
    }
    this.end(card.name, facts, keys=keys)


def _score(
    study: Study,
    model: Any,
    tasks: list[TaskItems],
    plans: dict[str, PromptPlan],
    keys: dict[str, str],
    scores: Store,
) -> int:
    """Score ``tasks`` one by one into the store; returns the number of forward passes."""
    from brodmann.runner.answers import count_queries, score_items
    from brodmann.runner.context import Reader
    from brodmann.runner.encode import Encoder
    from brodmann.runner.scoring import Scorer

    encoder = Encoder(model.tokenizer, model.name)
    encoded = {items.task: encoder.encode(items, plans[items.task]) for items in tasks}
    scorer = Scorer(model.hf, model.device, study.execution.batch_tokens, Reader(model))
    computed_with = {**software(), "device": str(model.device)}
    total = sum(count_queries(items) for items in encoded.values())
    with progress(total, f"baseline {model.name}", unit="answer") as bar:
        for task, items in encoded.items():
            bar.set_postfix_str(task)
            before = scorer.forward_passes
            result = score_items(task, items, scorer, on_batch=bar.update)
            record = {
                **asdict(result),
                "computed_with": computed_with,
                "forward_passes": scorer.forward_passes - before,
            }
            scores.put(keys[task], canonical_json(record))
    return scorer.forward_passes


def write_baseline(
    study: Study,
    *,
    model_json: str,
    items_file: str,
    manifest: str,
    output: str,
    lender: str | None = None,
) -> None:
    """Rule ``baseline``: one task's entry of the store as the JSON of the results contract.

    ``lender``: of an untrained model, the trained one's baseline of the same task.
    """
    card = ModelCard.read(model_json)
    items = read_items(items_file)
    plan = _plan(study, card, items)
    store = Store(Path(manifest).parent / "baseline")
    payload = store.require(
        store_key(card, items, plan), f"the stored baseline of {items.task}", manifest
    )
    scores = json.loads(payload)
    lent = None
    if lender is not None:
        own = Baseline.read(lender)
        lent = Lent(study.lender(card.name) or "", own.used_ids if own.included else None)
    result = baseline_of(scores, study.model(card.name).inclusion, lent)
    metadata = {
        **scores["computed_with"],
        "method": {"baseline": METHODS["baseline"], "inclusion": METHODS["inclusion"]},
        "model": {
            "source": card.resolved_source,
            "revision": card.revision,
            **card.scoring_identity(),
        },
        "prompts": asdict(plan),
        "inclusion": asdict(study.model(card.name).inclusion),
        "items_of": lent and lent.model,
        "items_sha256": items.digest(plan.wording),
        "seed": items.metadata.get("seed"),
    }
    write_json(output, {"task": items.task, **result.to_json(), "metadata": metadata})
