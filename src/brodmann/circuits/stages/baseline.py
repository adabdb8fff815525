"""Baseline stage: one pass per model that does the model work, one light job that reads it.

The pass loads the model only if some task's scores are not in the store, and puts each task's scores
there as soon as they are known; a killed pass loses one task at most. The light job applies the
inclusion rule, so changing a threshold touches no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from brodmann.circuits.inclusion import Baseline, Lent, baseline_of
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest, write_json
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner.asked import attributions_are_asked
from brodmann.runner.bench import Bench
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import plan_of
from brodmann.store.work import OnStep, Pass, Records, Work
from brodmann.tasks.items import TaskItems, read_items


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
    from brodmann.circuits.stages import survey
    from brodmann.circuits.stages.attribution import Stage

    card = ModelCard.read(model_json)
    load = Bench.opener(study, card.name, record_file, threads)
    tasks = [read_items(path) for path in item_files]
    with Pass("baseline", card.name, manifest, load) as this:
        if attributions_are_asked():
            surveyed = survey.Survey(Stage(study, model_json), this.store("attribution"))
            works = [surveyed.work(items, items.task) for items in tasks]
        else:
            works = [scoring(card, one, plan_of(study, card, one), one.task) for one in tasks]
        this.make(works, bar="baseline", unit="answer")


def scoring(
    card: ModelCard, items: TaskItems, plan: PromptPlan, group: str = "", *, passes: bool = True
) -> Work[Bench]:
    """The scores of one task, as a record; ``passes``: whether it says how many forward passes it took."""

    def compute(bench: Bench, names: Sequence[str], on_step: OnStep) -> Iterator[dict[str, bytes]]:
        from brodmann.runner.answers import score_items

        before = bench.engine.forward_passes
        found = score_items(items.task, bench.encode(items, plan), bench.scorer, on_batch=on_step)
        record = {**asdict(found), "computed_with": bench.made_with}
        if passes:
            record["forward_passes"] = bench.engine.forward_passes - before
        yield {name: canonical_json(record) for name in names}

    def answers(bench: Bench, _: Sequence[str]) -> int:
        from brodmann.runner.answers import count_queries

        return count_queries(bench.encode(items, plan))

    keys = {items.task: store_key(card, items, plan)}
    return Work(items.task, keys, compute, group, steps=answers)


def write_baseline(
    study: Study,
    *,
    model_json: str,
    items_file: str,
    manifest: str,
    output: str,
    lender: str | None = None,
) -> None:
    """Rule ``baseline``, for each task: its entry of the store as the JSON of the results contract.

    ``lender``: of an untrained model, the trained one's baseline of the same task.
    """
    card = ModelCard.read(model_json)
    items = read_items(items_file)
    plan = plan_of(study, card, items)
    what = f"the stored baseline of {items.task}"
    scores = json.loads(Records(manifest, "baseline").get(items.task, what))
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
