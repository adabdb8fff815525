"""Baseline and attribution of a task in one reading of its prompts.

Both passes read the same prompts. Where a run asks for attributions, too, the baseline pass makes them on its
way and leaves them in the attribution's store, where the attribution pass finds them. Records and keys are
those of the passes alone, so that nothing hangs on which of them made a record.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from brodmann.circuits.estimators import estimator
from brodmann.circuits.inclusion import baseline_of
from brodmann.circuits.stages.attribution import Session, Stage
from brodmann.circuits.stages.baseline import scoring
from brodmann.files import canonical_json
from brodmann.runner.bench import Bench
from brodmann.store.store import Store
from brodmann.store.work import OnStep, Work
from brodmann.tasks.items import TaskItems

if TYPE_CHECKING:
    from brodmann.circuits.attribution import Contributions

# Contributions of a task's items are held until it is known which are used.
_MOST_HELD = 2 << 30


@dataclass(frozen=True)
class Survey:
    """Baselines of one model, with their attributions in ``store``."""

    stage: Stage
    store: Store
    second: bool = False  # whether items are those of the second seed

    @property
    def applies(self) -> bool:
        """Whether the estimator runs what a baseline scores, and used items follow from the scores alone."""
        lent = self.stage.study.lender(self.stage.card.name) is not None
        return estimator(self.stage.settings).scores_answers and not lent

    def work(self, items: TaskItems, group: str = "", *, passes: bool = True) -> Work[Bench]:
        """The scores of one task, as ``baseline.scoring`` makes them."""
        plain = scoring(self.stage.card, items, self.stage.plan(items), group, passes=passes)
        if not self.applies or self._held(items) > _MOST_HELD:
            return plain

        def compute(
            bench: Bench, names: Sequence[str], on_step: OnStep
        ) -> Iterator[dict[str, bytes]]:
            found = self._surveyed(bench, items, on_step, passes)
            if found is not None:
                yield dict.fromkeys(names, found)
                return
            for part in plain.compute(bench, names, on_step):  # says where a value is not finite
                yield dict(part)

        return Work(plain.what, plain.keys, compute, group, steps=plain.steps)

    def _held(self, items: TaskItems) -> int:
        """Bytes of all items' contributions."""
        shapes = [self.stage.shape(component) for component in self.stage.settings.components]
        return len(items) * sum(4 * layers * units for layers, units in shapes)

    def _surveyed(
        self, bench: Bench, items: TaskItems, on_step: OnStep, passes: bool
    ) -> bytes | None:
        """The baseline's record; the attribution's is put into its store."""
        from brodmann.runner.answers import gathered

        session = Session(bench, self.stage)
        encoded = bench.encode(items, self.stage.plan(items))
        before = bench.engine.forward_passes
        settings = self.stage.settings
        attributor = session.attributor(settings.components, estimator(settings))
        aligned = [n for n, item in enumerate(encoded) if item.aligned]
        some = [encoded[n] for n in aligned]
        parts = list(attributor.with_scores(some, on_items=lambda count: on_step(4 * count)))
        rows = {aligned[n]: row for part in parts for n, row in _scores(part)}
        if not all(math.isfinite(value) for row in rows.values() for value in row):
            return None
        found = {**asdict(gathered(encoded, rows)), "computed_with": bench.made_with}
        if passes:
            found["forward_passes"] = bench.engine.forward_passes - before
        self._keep(session, items, found, parts, aligned)
        return canonical_json(found)

    def _keep(
        self,
        session: Session,
        items: TaskItems,
        scores: dict[str, Any],
        parts: Sequence[Contributions],
        aligned: Sequence[int],
    ) -> None:
        """Put the attribution of the used items into its store, if the task is included."""
        baseline = baseline_of(scores, self.stage.entry.inclusion)
        own = self.stage.list_of(items, baseline, second=self.second)
        if own is None:
            return
        place = {number: n for n, number in enumerate(own.used)}
        sums = session.sums(own, self.stage.settings.components)
        for part in parts:
            rows = [row for row, n in enumerate(part.numbers) if aligned[n] in place]
            if not rows:
                continue
            used = [place[aligned[part.numbers[row]]] for row in rows]
            for component, values in part.values.items():
                sums[component].add(used, values[rows].numpy())
        if not all(one.is_finite for one in sums.values()):
            return  # the attribution pass says whose
        keys = {component: self.stage.key(own, component) for component in sums}
        self.store.put_many(
            {
                key: session.record(own, sums[component])
                for component, key in keys.items()
                if key not in self.store
            }
        )


def _scores(part: Contributions) -> Iterator[tuple[int, list[float]]]:
    assert part.scores is not None
    yield from zip(part.numbers, part.scores.tolist(), strict=True)
