"""Baseline stage: one pass per model that does the model work, one light job that reads it.

The pass loads the model only if some task's scores are not in the store, and puts each task's scores
there as soon as they are known; a killed pass loses one task at most. The light job applies the
inclusion rule, so changing a threshold touches no model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from brodmann.circuits.inclusion import Baseline, Lent, baseline_of
from brodmann.circuits.stages.together import fit
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest, write_json
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.runner.asked import attributions_are_asked
from brodmann.runner.bench import Bench
from brodmann.runner.encode import EncodedItem
from brodmann.runner.prompting import PromptPlan
from brodmann.runner.target import plan_of
from brodmann.store.shares import WHOLE, Share
from brodmann.store.work import Missing, OnStep, Pass, Records, Work
from brodmann.tasks.items import TaskItems, read_items

if TYPE_CHECKING:
    from brodmann.runner.answers import BaselineScores


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
    lenders: Sequence[str] = (),
    share: Share = WHOLE,
) -> None:
    """Rule ``baseline_pass``: compute what the store lacks, then write the manifest of all keys.

    ``lenders``: of an untrained model, the trained one's baselines of the same tasks. They say which
    attributions will be asked for; scores do not depend on them.
    """
    from brodmann.circuits.stages import survey
    from brodmann.circuits.stages.attribution import Stage

    card = ModelCard.read(model_json)
    load = Bench.opener(study, card.name, record_file, threads)
    tasks = [read_items(path) for path in item_files]
    with Pass("baseline", card.name, manifest, load, share) as this:
        # Where there are no gradients, scores are made alone, and the pass of attributions says so.
        if attributions_are_asked() and card.has_gradients:
            lent = _lent_items(study, card.name, tasks, lenders)
            surveyed = survey.Survey(Stage(study, model_json), this.store("attribution"), lent=lent)
            works = [surveyed.work(items, items.task) for items in tasks]
            # Works that are computed alike run at once where they follow one another.
            works.sort(key=lambda work: work.together is SCORINGS)
        else:
            works = [
                scoring(card, Scored(one, plan_of(study, card, one)), one.task) for one in tasks
            ]
        this.make(works, bar="baseline", unit="answer")


@dataclass(frozen=True)
class Scored:
    """A task that is scored; ``passes``: whether its record says how many forward passes that took."""

    items: TaskItems
    plan: PromptPlan
    passes: bool = True

    def encoded(self, bench: Bench) -> list[EncodedItem]:
        """Its items as token ids."""
        return bench.encode(self.items, self.plan)

    def record(self, scores: BaselineScores, bench: Bench, ran: int) -> bytes:
        """What is stored; ``ran``: forward passes of all tasks that were run together."""
        passes = {"forward_passes": ran} if self.passes else {}
        return canonical_json({**asdict(scores), "computed_with": bench.made_with, **passes})


class Scorings:
    """Scores tasks together: their answers in common trees."""

    def fits(self, bench: Bench, works: Sequence[Missing[Bench]]) -> bool:
        """See ``store.work.Together``."""
        return fit(bench, [one.work.about.encoded(bench) for one in works])

    def compute(
        self, bench: Bench, works: Sequence[Missing[Bench]], on_step: OnStep
    ) -> Iterator[tuple[Work[Bench], dict[str, bytes]]]:
        """See ``store.work.Together``."""
        from brodmann.runner.answers import score_lists

        before = bench.engine.forward_passes
        tasks: list[Scored] = [one.work.about for one in works]
        names, lists = [one.items.task for one in tasks], [one.encoded(bench) for one in tasks]
        found = score_lists(names, lists, bench.scorer, on_batch=on_step)
        ran = bench.engine.forward_passes - before
        for one, task, scores in zip(works, tasks, found, strict=True):
            yield one.work, dict.fromkeys(one.names, task.record(scores, bench, ran))


SCORINGS = Scorings()


def scoring(card: ModelCard, task: Scored, group: str = "") -> Work[Bench]:
    """The scores of one task, as a record."""

    def answers(bench: Bench, _: Sequence[str]) -> int:
        from brodmann.runner.answers import count_queries

        return count_queries(task.encoded(bench))

    name, key = task.items.task, store_key(card, task.items, task.plan)
    return Work(
        name,
        {name: key},
        group=group,
        steps=answers,
        together=SCORINGS,
        about=task,
        cost=task.items.characters(task.plan.wording).all,
    )


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
    lent = None if lender is None else _lent(study, card.name, lender)
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


def _lent(study: Study, model: str, lender: str) -> Lent:
    """What the trained model's baseline lends to an untrained model."""
    own = Baseline.read(lender)
    return Lent(study.lender(model) or "", own.used_ids if own.included else None)


def _lent_items(
    study: Study, model: str, tasks: Sequence[TaskItems], lenders: Sequence[str]
) -> Mapping[str, Lent]:
    """Task -> what is lent of it; nothing to a model that chooses its items by itself."""
    if study.lender(model) is None:
        return {}
    pairs = zip(tasks, lenders, strict=True)
    return {items.task: _lent(study, model, file) for items, file in pairs}
