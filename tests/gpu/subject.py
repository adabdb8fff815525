"""A study of one model that is in memory already: its files, and its passes run as their rules run them.

Only the stages' own entry points are used (``run_pass``, ``works``, the light jobs), so that the check
measures what users get, whatever the wings look like inside.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gpu.shapes import Shape

ROOT = Path(__file__).resolve().parents[2]
NAME = "subject"
THREADS = 8


@contextlib.contextmanager
def at_hand(model: Any) -> Iterator[None]:
    """Within the block, jobs that load a model are given this one."""
    import brodmann.pipeline.models
    import brodmann.runner.bench

    places = (brodmann.runner.bench, brodmann.pipeline.models)
    before = [place.load for place in places]
    for place in places:
        place.load = lambda *_, **__: model  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for place, own in zip(places, before, strict=True):
            place.load = own  # type: ignore[attr-defined]


class Subject:
    """A model, and a folder with a study of it."""

    def __init__(self, folder: Path, shape: Shape, model: Any, settings: dict[str, Any]) -> None:
        from brodmann.files import write_json

        self.folder, self.shape, self.model = folder, shape, model
        self.settings = settings
        (folder / "weights").mkdir(parents=True)
        (folder / "weights" / "config.json").write_text(json.dumps(shape.config))
        self.study = self.with_settings({})
        with contextlib.chdir(folder):
            record = {
                "source": "path:weights",
                "resolved": "path:weights",
                "revision": None,
                "weights_hash": f"random {shape.name}",
                "tokenizer_hash": "of the bundle",
                "weight_files": {},
                "bytes": model.n_parameters * model.dtype.itemsize,
            }
            write_json(self.record, record)

    record = f"results/{NAME}/.source.json"
    card = f"results/{NAME}/model.json"
    store = f"results/{NAME}/.store"
    masks = f"results/{NAME}/masks"

    def with_settings(self, more: dict[str, Any]) -> Any:
        """The study, with some sections replaced."""
        from brodmann.config.load import load_config

        entry = {"source": "path:weights", "filter": "aligned", "control": True, "format": "chat"}
        config = {"models": {NAME: entry}, **self.settings, **more}
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        return load_config([path], root=ROOT).study

    @property
    def tasks(self) -> tuple[str, ...]:
        """Of the study."""
        return tuple(self.study.tasks.selected)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        with contextlib.chdir(self.folder), at_hand(self.model):
            yield

    def manifest(self, stage: str, store: str = "") -> str:
        """Of a pass; ``store``: in a store of its own, where nothing is found."""
        return f"{self.store}{store}/{stage}.json"

    @staticmethod
    def items_file(task: str) -> str:
        """The items of a task."""
        return f"results/items/{task}.json"

    @staticmethod
    def baseline_file(task: str) -> str:
        """The baseline of a task."""
        return f"results/{NAME}/baseline/{task}.json"

    def prepare(self) -> None:
        """Items of all tasks, and the model's card with its self-check."""
        from brodmann.pipeline.items import expand_task
        from brodmann.pipeline.models import check_model
        from brodmann.tasks.catalogue import task_path

        with self._running():
            for task in self.tasks:
                definition = str(task_path(ROOT / "data", task))
                expand_task(self.study, task, definition=definition, output=self.items_file(task))
            check_model(
                self.study,
                NAME,
                record_file=self.record,
                store=self.store,
                output=self.card,
                threads=THREADS,
            )

    def _common(self, stage: str, store: str = "") -> dict[str, Any]:
        return {
            "model_json": self.card,
            "record_file": self.record,
            "manifest": self.manifest(stage, store),
            "threads": THREADS,
        }

    def baseline(self, tasks: Sequence[str]) -> None:
        """The pass over some tasks."""
        from brodmann.circuits.stages import baseline

        files = [self.items_file(task) for task in tasks]
        with self._running():
            baseline.run_pass(self.study, item_files=files, **self._common("baseline"))

    def write_baselines(self, tasks: Sequence[str]) -> None:
        """The light job, for tasks of the last pass."""
        from brodmann.circuits.stages import baseline

        with self._running():
            for task in tasks:
                baseline.write_baseline(
                    self.study,
                    model_json=self.card,
                    items_file=self.items_file(task),
                    manifest=self.manifest("baseline"),
                    output=self.baseline_file(task),
                )

    def attribution(self, tasks: Sequence[str], store: str = "", study: Any | None = None) -> None:
        """The pass over some tasks, which have baselines; ``study``: with other settings."""
        from brodmann.circuits.stages import attribution

        with self._running():
            attribution.run_pass(
                study or self.study,
                item_files=[self.items_file(task) for task in tasks],
                second_files=[],
                baseline_files=[self.baseline_file(task) for task in tasks],
                **self._common("attribution", store),
            )

    def attribution_of(self, task: str, component: str = "neurons") -> np.ndarray:
        """What the light job makes of a task of the last pass: float32 [layers, units]."""
        from safetensors.numpy import load_file

        from brodmann.circuits.stages import attribution

        output = f"results/{NAME}/attribution/{component}/{task}.safetensors"
        with self._running():
            attribution.write_attribution(
                self.study,
                model_json=self.card,
                items_file=self.items_file(task),
                second_file=None,
                baseline_file=self.baseline_file(task),
                manifest=self.manifest("attribution"),
                component=component,
                output=output,
                replicates=output.replace(".safetensors", ".replicates.safetensors"),
            )
            return load_file(output)["attribution"]

    def random_masks(self, tasks: Sequence[str], seed: int = 0) -> None:
        """A random circuit of the main size for every task."""
        from brodmann.circuits.masks import Mask, Selection, write_mask
        from brodmann.models.card import ModelCard

        origin = ModelCard.read(self.folder / self.card).origin("mlp_hidden")
        dice = np.random.default_rng(seed)
        width, layers = self.model.neurons_per_layer, self.model.n_layers
        sizes = Selection(self.study.selection.signs[0], self.study.selection.main)
        for task in tasks:
            units = dice.choice(width * layers, sizes.size(width * layers), replace=False)
            scores = np.linspace(1, 0.5, len(units), dtype=np.float32)
            path = self.folder / self.masks / "neurons" / sizes.name / f"{task}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, Mask(units, scores, width), origin, sizes)

    def _files(self, tasks: Sequence[str]) -> Any:
        from brodmann.circuits.stages.files import TaskFiles

        items, baselines = (
            [of(task) for task in tasks] for of in (self.items_file, self.baseline_file)
        )
        return TaskFiles(self.card, items, baselines)

    def ablation(
        self, target: str, sources: Sequence[str], settings: dict[str, Any], store: str = ""
    ) -> int:
        """One target's lesions by the circuits of ``sources`` and their controls: how many rows it took."""
        from brodmann.circuits.stages.ablation import AblationStage
        from brodmann.runner.bench import Bench
        from brodmann.store.work import Pass

        study = self.with_settings({"ablation": settings})
        tasks = [target, *(task for task in sources if task != target)]
        with self._running():
            stage = AblationStage.open(study, self._files(tasks))
            work = next(iter(stage.works(self.masks)))
            if work.group != target:
                raise RuntimeError(f"{target} is left out: {work.group} came first")
            bench = Bench(study, self.model)
            with Pass("ablation", NAME, self.manifest("ablation", store), lambda: bench) as this:
                done = this.make([work], bar="ablation", unit="row", listed=False)
                return sum(one.steps(bench) for one in done)

    def target(self, task: str, settings: dict[str, Any] | None = None) -> Any | None:
        """The items (an ``EffectTarget``) on which a task's lesions are measured; None if it is excluded."""
        from brodmann.circuits.stages.ablation import AblationStage

        study = self.with_settings({"ablation": settings}) if settings else self.study
        with self._running():
            return AblationStage.open(study, self._files([task])).targets[task]

    def encoded(self, task: str, settings: dict[str, Any] | None = None) -> list[Any]:
        """The items that are used of a task, as token ids; none of one that is excluded."""
        from brodmann.runner.bench import Bench

        target = self.target(task, settings)
        return [] if target is None else Bench(self.study, self.model).encoded(target)

    def localizer(self) -> None:
        """The pass over the study's localizers."""
        from brodmann.localizers.stages import localizer

        with self._running():
            localizer.run_pass(self.study, **self._common("localizer"))

    def networks(self) -> None:
        """The pass over the study's datasets."""
        from brodmann.networks.stages import decomposition

        with self._running():
            decomposition.run_pass(self.study, **self._common("networks"))
