"""What is done with a model's networks: one pass measures what the store lacks, light jobs write tables.

A *work* is one thing to be measured, under a key of everything it depends on, and a record of its own: a job
that is killed loses the work it was at, and what two conditions or two settings share is measured once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.config.study import Study
from brodmann.files import digest
from brodmann.methods import METHODS
from brodmann.models.card import ModelCard
from brodmann.networks.maps import Networks
from brodmann.runner.prompting import PromptPlan, plan_prompts
from brodmann.store.store import Store
from brodmann.tasks.dice import Dice
from brodmann.tasks.items import TaskItems, read_items

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """Items of one task, and which of them are used."""

    items: TaskItems
    plan: PromptPlan
    used: tuple[int, ...]

    def digest(self) -> dict[str, Any]:
        """What decides what the model is shown."""
        from dataclasses import asdict

        return {
            "prompts": asdict(self.plan),
            "items": self.items.digest(self.plan.wording),
            "used": self.used,
        }


class Bench:
    """A loaded model, and what runs texts and items through it."""

    def __init__(self, study: Study, model: Any) -> None:
        from brodmann.runner.context import Reader
        from brodmann.runner.encode import Encoder
        from brodmann.runner.scoring import Scorer

        self.study = study
        self.model = model
        self.scorer = Scorer(model.hf, model.device, study.execution.batch_tokens, Reader(model))
        self.encoder = Encoder(model.tokenizer, model.name)
        self._encoded: dict[str, list[Any]] = {}

    def encoded(self, target: Target) -> list[Any]:
        """The used items of a task as token ids."""
        task = target.items.task
        if task not in self._encoded:
            self._encoded[task] = self.encoder.encode(target.items, target.plan)
        return [self._encoded[task][number] for number in target.used]

    @property
    def made_with(self) -> dict[str, Any]:
        """For records."""
        from brodmann.provenance import software

        return {**software(), "device": str(self.model.device)}


@dataclass(frozen=True)
class Work:
    """One record to be made. ``what`` says so in logs and errors."""

    key: str
    what: str
    compute: Callable[[Bench], bytes]


class UseStage:
    """What the jobs of this stage share. ``template_files``: dataset -> templates.safetensors."""

    def __init__(self, study: Study, model_json: str, template_files: Mapping[str, str]) -> None:
        self.study = study
        self.settings = study.networks
        self.use = study.networks.use
        self.card = ModelCard.read(model_json)
        self.networks = {name: Networks.load(path) for name, path in template_files.items()}

    @property
    def shape(self) -> tuple[int, int]:
        """(layers, units) of the networks' site."""
        return self.card.n_layers, self.card.width(self.settings.site)

    @property
    def n_units(self) -> int:
        """Units of all layers."""
        return self.shape[0] * self.shape[1]

    def pairs(self, units: np.ndarray) -> list[tuple[int, int]]:
        """(layer, unit) of flat units."""
        return [divmod(unit, self.shape[1]) for unit in units.tolist()]

    def target(self, items_file: str, count: int, purpose: str) -> Target:
        """Some items of a task, drawn with the networks' seed."""
        items = read_items(items_file)
        prompting = self.study.model(self.card.name).prompting
        plan = plan_prompts(items, prompting, self.card.has_chat_template)
        dice = Dice(purpose, self.settings.seed, items.task)
        numbers = dice.shuffled(list(range(len(items))))[:count]
        return Target(items, plan, tuple(sorted(numbers)))

    def key(self, method: str, **more: Any) -> str:
        """Hash of the model and of what else a work depends on."""
        scored = method == "editing"  # the others read no logits
        basis = {
            "stage": method,
            "method": METHODS[method],
            "model": self.card.scoring_identity() if scored else self.card.identity(),
            "architecture": self.card.architecture,
        }
        return digest({**basis, **more})

    @cached_property
    def digests(self) -> dict[str, str]:
        """Dataset -> hash of its networks."""
        return {name: networks_digest(own) for name, own in self.networks.items()}


def networks_digest(networks: Networks) -> str:
    """Hash of what courses and members follow from."""
    found = hashlib.sha256(f"{networks.threshold} {networks.side}".encode())
    for part in (networks.maps, networks.filters, networks.mean, networks.sd):
        found.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def units_digest(units: np.ndarray) -> str:
    """Hash of a set of flat units."""
    return hashlib.sha256(np.sort(units).astype("<i8").tobytes()).hexdigest()


def measure(
    study: Study,
    works: Sequence[Work],
    store: Store,
    load: Callable[[], Any],
    on_work: Callable[[], object] = lambda: None,
) -> int:
    """Make the records that the store lacks, each durable before the next begins; returns how many."""
    made: set[str] = set()
    bench: Bench | None = None
    for work in works:
        if work.key in made or work.key in store:
            continue
        bench = bench or Bench(study, load())
        store.put(work.key, work.compute(bench))
        made.add(work.key)
        on_work()
    return len(made)


def store_of(manifest: str) -> Store:
    """The records of the pass that wrote a manifest."""
    return Store(Path(manifest).parent / "network_use")
