"""Baseline and attribution of a task in one reading of its prompts.

Both passes read the same prompts. Where a run asks for attributions, too, the baseline pass makes them on its
way and leaves them in the attribution's store, where the attribution pass finds them. Records and keys are
those of the passes alone, so that nothing hangs on which of them made a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from brodmann.circuits.costs import MOST_HELD
from brodmann.circuits.estimators import estimator
from brodmann.circuits.inclusion import Lent, baseline_of
from brodmann.circuits.stages.attribution import Session, Stage
from brodmann.circuits.stages.baseline import SCORINGS, Scored, scoring
from brodmann.circuits.stages.together import Joined
from brodmann.runner.bench import Bench
from brodmann.store.store import Store
from brodmann.store.work import Missing, OnStep, Work
from brodmann.tasks.items import TaskItems

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Contributions


@dataclass(frozen=True)
class Survey:
    """Baselines of one model, with their attributions in ``store``; tasks are surveyed together.

    ``lent``: of an untrained model, task -> the items that its trained one uses. ``made``: labels of the
    lists whose attribution was put there.
    """

    stage: Stage
    store: Store
    second: bool = False  # whether items are those of the second seed
    lent: Mapping[str, Lent] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def work(self, items: TaskItems, group: str = "", *, passes: bool = True) -> Work[Bench]:
        """The scores of one task, as ``baseline.scoring`` makes them."""
        task = Scored(items, self.stage.plan(items), passes)
        plain = scoring(self.stage.card, task, group)
        lent = self.lent.get(items.task)
        left_out = lent is not None and lent.used_ids is None
        # Not every estimator runs what a baseline scores.
        apart = left_out or not self.stage.settings.scores_answers
        if apart or self._held(items) > MOST_HELD:
            return plain
        return replace(plain, together=self)

    def _held(self, items: TaskItems) -> int:
        """Bytes of all items' contributions."""
        shapes = [self.stage.shape(component) for component in self.stage.settings.components]
        return len(items) * sum(4 * layers * units for layers, units in shapes)

    def fits(self, bench: Bench, works: Sequence[Missing[Bench]]) -> bool:
        """See ``store.work.Together``."""
        tasks: list[Scored] = [one.work.about for one in works]
        held = sum(self._held(task.items) for task in tasks)
        return held <= MOST_HELD and SCORINGS.fits(bench, works)

    def compute(
        self, bench: Bench, works: Sequence[Missing[Bench]], on_step: OnStep
    ) -> Iterator[tuple[Work[Bench], Mapping[str, bytes]]]:
        """See ``store.work.Together``. The attributions are put into their store."""
        from brodmann.runner.answers import gathered

        session = Session(bench, self.stage)
        tasks: list[Scored] = [one.work.about for one in works]
        encoded = [task.encoded(bench) for task in tasks]
        before = bench.engine.forward_passes
        settings = self.stage.settings
        attributor = session.attributor(settings.components, estimator(settings))
        joined = Joined.of(encoded)
        parts = list(attributor.with_scores(joined.items, lambda count: on_step(4 * count)))
        if not all(np.isfinite(part.scores).all() for part in parts if part.scores is not None):
            yield from SCORINGS.compute(bench, works, lambda _: None)  # says where
            return
        ran = bench.engine.forward_passes - before
        for which, (one, task) in enumerate(zip(works, tasks, strict=True)):
            own = [of for part in parts if (of := _of(part, joined.split(part.numbers).get(which)))]
            rows = {
                number: row.tolist()
                for part in own
                if part.scores is not None
                for number, row in zip(part.numbers, part.scores, strict=True)
            }
            scores = gathered(encoded[which], rows)
            self._keep(session, task.items, asdict(scores), own)
            yield one.work, dict.fromkeys(one.names, task.record(scores, bench, ran))

    def _keep(
        self,
        session: Session,
        items: TaskItems,
        scores: dict[str, Any],
        parts: Sequence[Contributions],
    ) -> None:
        """Put the attribution of the used items into its store, if the task is included."""
        baseline = baseline_of(scores, self.stage.entry.inclusion, self.lent.get(items.task))
        own = self.stage.list_of(items, baseline, second=self.second)
        if own is None:
            return
        place = {number: n for n, number in enumerate(own.used)}
        sums = session.sums(own, self.stage.settings.components)
        for part in parts:
            rows = [row for row, number in enumerate(part.numbers) if number in place]
            if not rows:
                continue
            used = [place[part.numbers[row]] for row in rows]
            for component, values in part.values.items():
                sums[component].add(used, values[rows])
        if not all(one.is_finite for one in sums.values()):
            return  # the attribution pass says whose
        for component, one in sums.items():
            keys = self.stage.keys(own, component)
            lacking = [name for name, key in keys.items() if key not in self.store]
            made = session.records(own, component, one, lacking)
            self.store.put_many({keys[name]: payload for name, payload in made.items()})
        self.made.append(own.label)


def _of(part: Contributions, share: tuple[list[int], list[int]] | None) -> Contributions | None:
    """What a part holds of one task: ``share`` are its rows, and which of the task's items they are."""
    if share is None or part.scores is None:
        return None
    rows, numbers = share
    values = {component: values[rows] for component, values in part.values.items()}
    return replace(part, numbers=numbers, values=values, scores=part.scores[rows])
