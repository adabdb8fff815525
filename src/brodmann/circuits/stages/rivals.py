"""Rival circuits: a task's circuit is found again in the model without those that were found before.

Units that were found are held at their mean over the clean prompts of the items on which circuits are found,
at every position: then nothing tells the two prompts apart in them, and their attribution is 0. So rivals
share no unit. Each is then tested as circuits are in ``faithfulness``: alone, and the model without it and
all before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brodmann.circuits import orders
from brodmann.circuits.controls import layer_matched
from brodmann.circuits.faithfulness import Answers
from brodmann.circuits.masks import strongest
from brodmann.circuits.orders import Beginning
from brodmann.circuits.stages.attribution import ItemList, Session
from brodmann.circuits.stages.effects import EffectTarget, measured, metric_of
from brodmann.circuits.stages.faithfulness import FaithfulnessStage
from brodmann.circuits.stages.files import TaskFiles
from brodmann.config.study import Study
from brodmann.files import canonical_json, digest
from brodmann.methods import METHODS
from brodmann.models.population import Population
from brodmann.runner.bench import Bench
from brodmann.significance.intervals import of_ratio
from brodmann.sites import COMPONENTS
from brodmann.store.tables import write_table
from brodmann.store.work import OnStep, Records, Work

COLUMNS = (
    *("task", "round", "sign", "kind", "n_units", "n", "faithfulness", "low", "high", "control"),
    *("without", "without_low", "without_high", "next_best", "same_layers"),
)
# What is measured of each round: the circuit alone; as many random units of its layers alone; all but the
# circuits up to it.
ALONE, CONTROL, WITHOUT = "alone", "control", "without"


@dataclass(frozen=True)
class Rivals:
    """Of one task. ``items``: those that circuits are found on; ``target``: those that they are tested on."""

    faithfulness: FaithfulnessStage
    items: ItemList
    target: EffectTarget
    component: str

    @property
    def sign(self) -> str:
        """Of the circuits."""
        return self.faithfulness.settings.signs[0]

    @property
    def kind(self) -> str:
        """What units outside a circuit are set to."""
        return self.faithfulness.settings.kinds[0]

    @property
    def order(self) -> np.ndarray:
        """The task's own order of units."""
        found = self.faithfulness.ranked(self.component, self.target.task, self.sign)
        assert found is not None  # the task has a circuit
        return found

    @property
    def there(self) -> Population:
        """The units that exist."""
        return self.faithfulness.stage.population(self.component)

    @property
    def size(self) -> int:
        """Units of a circuit."""
        percent = self.faithfulness.settings.rivals.percent
        assert percent is not None  # resolved
        return orders.size(percent, len(self.order))

    @property
    def key(self) -> str:
        """Hash of everything that the record depends on."""
        own, settings = self.faithfulness, self.faithfulness.settings
        return digest(
            {
                "stage": "rivals",
                "method": METHODS["rivals"],
                "measured": METHODS["faithfulness"],
                "model": own.stage.card.scoring_identity(),
                "architecture": own.stage.card.architecture,
                "found on": self.items.inputs,
                "tested on": self.target.inputs,
                "component": self.component,
                "estimation": own.stage.estimation(self.component),
                "first": Beginning.of(self.order, self.size, self.there).units,
                "sign": self.sign,
                "kind": self.kind,
                "rounds": settings.rivals.rounds,
                "seed": settings.seed,
            }
        )

    def work(self) -> Work[Bench]:
        """One record of all rounds: each needs the one before it."""
        rounds = self.faithfulness.settings.rivals.rounds
        items, tests = len(self.items.used), 3 * len(self.target.used)
        name = f"{self.target.task}, {self.component}: rivals"
        return Work(
            name,
            {name: self.key},
            self._parts,
            self.target.task,
            steps=lambda *_: rounds * items + (rounds + 1) * tests,
            cost=rounds * self.items.characters.all + 3 * (rounds + 1) * self.target.characters.all,
        )

    def _parts(
        self, bench: Bench, names: Sequence[str], on_step: OnStep
    ) -> Iterator[Mapping[str, bytes]]:
        circuits = self._found(bench, on_step)
        lesions = dict(self._lesions(circuits))
        scores: dict[str, list[object]] = {ALONE: [], CONTROL: [], WITHOUT: []}
        from brodmann.circuits.ablation import Kept

        of = bench, self.target, self.component, self.kind
        for part in measured(*of, list(lesions), lambda name: Kept(lesions[name]), on_step):
            for (what, _), payload in part.items():
                scores[what].append(json.loads(payload)["scores"])
        record = {
            "circuits": [units.tolist() for units in circuits],
            "scores": scores,
            "computed_with": bench.made_with,
        }
        [name] = names
        yield {name: canonical_json(record)}

    def _found(self, bench: Bench, on_step: OnStep) -> list[np.ndarray]:
        """Flat units of the task's own circuit, and of one rival after another."""
        from brodmann.circuits.ablation import Ablator
        from brodmann.runner.edits import edited

        shape = self.faithfulness.stage.shape(self.component)
        session = Session(bench, self.faithfulness.stage)
        ablator = Ablator(bench.model, component=self.component, engine=bench.engine)
        means = ablator.mean_activations(bench.encoded(self.items))
        found = [self.order[: self.size]]
        held = np.zeros(shape, dtype=bool)
        # Without replicates, which are of no use here.
        items = replace(self.items, second=True)
        for _ in range(self.faithfulness.settings.rivals.rounds):
            held.reshape(-1)[found[-1]] = True
            site = COMPONENTS[self.component]
            with edited(bench.model, held, "hold", means, site=site):
                [sums] = session.estimate([items], (self.component,), on_step)
            scores = np.where(held, np.float32(0), sums[self.component].mean)
            found.append(strongest(scores.reshape(-1), self.sign, self.size))
        return found

    def _lesions(
        self, circuits: Sequence[np.ndarray]
    ) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        """(what, round) -> bool [layers, units]: what is kept."""
        there = self.there
        out = np.ones(there.shape, dtype=bool)
        for number, units in enumerate(circuits):
            random, _ = self.control(number, units)
            for what, kept in ((ALONE, units), (CONTROL, np.array(random, dtype=int))):
                mask = np.zeros(there.shape, dtype=bool)
                mask.reshape(-1)[kept] = True
                yield (what, number), mask
            out.reshape(-1)[units] = False
            yield (WITHOUT, number), out.copy()

    def control(self, number: int, units: np.ndarray) -> tuple[list[int], int]:
        """Random units of the layers of a round's circuit, and by how many they are fewer."""
        settings, model = self.faithfulness.settings, self.faithfulness.stage.card.name
        seed = ("rivals", settings.seed, model, self.target.task, number)
        return layer_matched(units.tolist(), self.there, *seed)


def works(own: FaithfulnessStage) -> Iterator[Work[Bench]]:
    """Of all tasks and kinds of unit, if rivals are sought."""
    if own.settings.rivals.rounds:
        for task, target in own.included:
            for component in own.study.attribution.components:
                yield Rivals(own, own.lists[task], target, component).work()


def write_rivals(
    study: Study,
    *,
    files: TaskFiles,
    manifest: str,
    component: str,
    output: str,
) -> None:
    """Rule ``rivals``: a row per task and round, from the store."""
    own = FaithfulnessStage.open(study, files)
    records = Records(manifest, "faithfulness")
    rows: list[dict[str, object]] = []
    for task, target in own.included:
        one = Rivals(own, own.lists[task], target, component)
        record = json.loads(records.at(one.key, f"the stored rivals of {task}"))
        rows += _rows(one, record, own.answers(task, target))
    write_table(output, rows, COLUMNS)


def _rows(
    one: Rivals, record: Mapping[str, object], answers: Answers
) -> Iterator[dict[str, object]]:
    circuits = [np.array(units, dtype=int) for units in record["circuits"]]  # type: ignore[attr-defined]
    scores: Mapping[str, Sequence[object]] = record["scores"]  # type: ignore[assignment]
    there, before = one.there, 0
    for number, units in enumerate(circuits):
        _, missing = one.control(number, units)
        yield {
            "task": one.target.task,
            "round": number,
            "sign": one.sign,
            "kind": one.kind,
            "n_units": len(units),
            "n": len(one.target.used),
            **kept(
                {what: metric_of(np.array(own[number])) for what, own in scores.items()}, answers
            ),
            # Fewer random units are no control of a circuit.
            **({"control": np.nan} if missing else {}),
            **({} if number == 0 else shared(units, circuits[0], one.order, before, there)),
        }
        before += len(units)


def kept(metrics: Mapping[str, np.ndarray], answers: Answers) -> dict[str, float]:
    """Faithfulness of what is measured of a round, by its metric [items]; none without a contrast, where a
    metric is no share of anything."""
    if answers.unnormalised:
        return {}
    alone, control, without = (
        answers.normalised(metrics[what]) for what in (ALONE, CONTROL, WITHOUT)
    )
    low, high = of_ratio(answers.resampled(metrics[ALONE]))
    without_low, without_high = of_ratio(answers.resampled(metrics[WITHOUT]))
    return {
        **{"faithfulness": alone, "low": low, "high": high, "control": control},
        **{"without": without, "without_low": without_low, "without_high": without_high},
    }


def shared(
    units: np.ndarray, first: np.ndarray, order: np.ndarray, before: int, there: Population
) -> dict[str, float]:
    """What a rival has in common with what the intact model shows.

    ``next_best``: of its units, the share that stand in ``order`` right behind the ``before`` units of the
    circuits before it. ``same_layers``: the share of units that lie in the same layers as those of the
    ``first`` circuit.
    """
    if not len(units):
        return {}
    behind = order[before : before + len(units)]
    counts = [np.bincount(own // there.width, minlength=there.layers) for own in (units, first)]
    shares = [own / own.sum() for own in counts]
    return {
        "next_best": float(np.isin(units, behind).mean()),
        "same_layers": float(np.minimum(*shares).sum()),
    }
