"""What lesions are measured on, and their measurement: the items of a task, what normalises their scores, and
a record for each lesion.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from brodmann.circuits.costs import BLOCK, TREES
from brodmann.circuits.inclusion import MIN_CONTRAST, Baseline
from brodmann.circuits.split import effect_items
from brodmann.circuits.stages.attribution import Stage
from brodmann.config.ablation import AblationSettings
from brodmann.config.faithfulness import FaithfulnessSettings
from brodmann.files import canonical_json
from brodmann.models.precision import near_tie
from brodmann.runner.bench import Bench
from brodmann.runner.experiment import require_finite
from brodmann.runner.target import Target
from brodmann.store.work import OnStep, Work
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import TaskItems

N = TypeVar("N", bound=Hashable)


@dataclass(frozen=True)
class EffectTarget(Target):
    """The items of one task on which lesions are measured, with what normalises their scores."""

    clean_baseline: float
    corrupted_baseline: float
    unnormalised: bool

    @classmethod
    def of(
        cls,
        stage: Stage,
        items: TaskItems,
        baseline: Baseline,
        sample: AblationSettings | FaithfulnessSettings | None = None,
    ) -> EffectTarget | None:
        """None for an excluded task. With fewer than all used items, baselines are of these alone.

        ``sample``: how many items are drawn, and by which seed; by default, as for ablations.
        """
        if stage.excluded(items, baseline):
            return None
        study = stage.study
        used = effect_items(baseline.used_ids, items.groups, study.tasks.split)
        sample = sample or study.ablation
        limit = sample.max_items
        if limit is not None and len(used) > limit:
            dice = Dice("max_items", sample.seed, items.task)
            used = sorted(dice.shuffled(used)[:limit])
        clean, corrupted = (
            float(metrics(baseline, used, s).mean()) for s in ("clean", "corrupted")
        )
        plain = baseline.unnormalised or not clean - corrupted > MIN_CONTRAST
        return cls(items, stage.plan(items), tuple(used), clean, corrupted, plain)

    def summary(self, scores: np.ndarray, dtype: str) -> dict[str, float]:
        """Accuracy, score and near-ties (by the model's dtype) of float64 [items, names] scores."""
        metric = metric_of(scores)
        margin = metric if scores.shape[1] == 2 else scores[:, 1] - scores[:, 2]
        mean = float(metric.mean())
        contrast = self.clean_baseline - self.corrupted_baseline
        return {
            "n": len(scores),
            "accuracy": float((margin > 0).mean()),
            "score": mean if self.unnormalised else (mean - self.corrupted_baseline) / contrast,
            "ties": int((np.abs(margin) < near_tie(dtype)).sum()),
        }


def metrics(baseline: Baseline, used: Sequence[int], side: str) -> np.ndarray:
    """float64 [used]: of each item, intact. ``side``: on the clean or the corrupted prompt."""
    rows = {row["id"]: row for row in baseline.items}
    names = ("answer", "") if baseline.single_answer else ("correct", "incorrect")
    values = [
        rows[number][f"{side}_{names[0]}"]
        - (rows[number][f"{side}_{names[1]}"] if names[1] else 0.0)
        for number in used
    ]
    return np.array(values, dtype=np.float64)


def metric_of(scores: np.ndarray) -> np.ndarray:
    """float64 [items]: of each item, by its scores [items, names]."""
    return scores[:, 0] - scores[:, 1] if scores.shape[1] == 2 else scores[:, 0]


def lesion_work(
    target: EffectTarget,
    component: str,
    kind: str,
    keys: Mapping[N, str],
    lesion_of: Callable[[N], Any],
    *,
    routes_held: bool = False,
) -> Work[Bench]:
    """A record per lesion of a target (name -> key); the ledger lists them by task. ``lesion_of``: see
    ``measured``."""

    def compute(bench: Bench, names: Sequence[N], on_step: OnStep) -> Iterator[dict[N, bytes]]:
        of = bench, target, component, kind
        yield from measured(*of, names, lesion_of, on_step, routes_held=routes_held)

    read = target.characters
    return Work(
        f"{target.task} {component} {kind}",
        keys,
        compute,
        target.task,
        steps=lambda _, names: len(names) * len(target.used),
        # What stands before the first difference is run once for all lesions to corrupted activations.
        cost=read.changed if kind == "corrupted" else read.all,
        block=BLOCK,
    )


def measured(
    bench: Bench,
    target: EffectTarget,
    component: str,
    kind: str,
    names: Sequence[N],
    lesion_of: Callable[[N], Any],
    on_step: OnStep,
    *,
    routes_held: bool = False,
) -> Iterator[dict[N, bytes]]:
    """Name of a lesion -> its record, block by block. ``lesion_of``: a ``Lesion``, or what is ``Kept``."""
    from brodmann.circuits.ablation import Ablator
    from brodmann.circuits.lesions import rows_of

    items = bench.encoded(target)
    ablator = Ablator(bench.model, component=component, engine=bench.engine)
    means = ablator.mean_activations(items) if kind == "mean" else None
    nodes = sum(len(row.changed) for item in items for row in rows_of(item, kind))
    at_once = max(BLOCK, TREES * bench.engine.nodes // max(1, nodes))
    for start in range(0, len(names), at_once):
        block = names[start : start + at_once]
        chosen = [lesion_of(name) for name in block]
        scores = ablator.scores(items, chosen, kind, means, on_step, routes_held=routes_held)
        # In a tree a value that is none spreads to other rows: each is measured alone.
        for lesion, item in np.argwhere(~np.isfinite(scores).all(-1)).tolist():
            one = [items[item]], [chosen[lesion]]
            alone = ablator.scores(*one, kind, means, routes_held=routes_held)

            def place(_: int, number: int = target.used[item]) -> str:
                return f"{target.task}, item {number}"

            fix = "the model's weights or dtype are at fault; try dtype: float32"
            require_finite(alone, place, "an ablated log-probability is", fix)
            scores[lesion, item] = alone[0, 0]
        yield {
            name: canonical_json({"scores": own.tolist(), "computed_with": bench.made_with})
            for name, own in zip(block, scores, strict=True)
        }
