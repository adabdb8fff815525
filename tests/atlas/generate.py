"""An atlas of the size of large models, of random numbers: what the page's speed and memory are measured on.

    python tests/atlas/generate.py OUT [--models 7] [--tasks 46] [--layers 80] [--width 28672]

writes OUT/index.html and OUT/data as ``brodmann atlas`` would of a study of such models: manifest, matrices,
orders, domains, main circuits, and the scores in bins of every task. Only the first ``--own`` models have
files of units, which the others share; of ``--whole`` layers every unit is there. The whole would be a
hundred times as large.
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.atlas.circuits import Circuits
from brodmann.atlas.contract import (
    Circuit,
    Comparison,
    Component,
    Domain,
    Made,
    Manifest,
    Model,
    Task,
    TaskOfModel,
)
from brodmann.atlas.encode import script
from brodmann.atlas.write import DATA, PAGE, page
from brodmann.tasks import domains
from brodmann.tasks.catalogue import domain_of, list_tasks

MAIN = "positive-0.1pct"


class Output:
    """The folder of data."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / DATA
        self.data.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, value: Any) -> str:
        """A data file; its name."""
        (self.data / f"{name}.js").write_text(script(name, value), encoding="ascii")
        return name


def attribution(dice: np.random.Generator, layers: int, width: int) -> np.ndarray:
    """float32 [layers, width]: heavy tails, stronger in late layers, as attributions are."""
    scale = np.linspace(0.2, 1.0, layers, dtype=np.float32)[:, None]
    # Of normal numbers over uniform ones: tails as of attributions, at a tenth of the time of Student's t.
    normal = dice.standard_normal((layers, width), dtype=np.float32)
    spread = dice.random((layers, width), dtype=np.float32) ** 0.4 + np.float32(0.01)
    found: np.ndarray = normal / spread * scale * np.float32(1e-4)
    return found


def circuit(scores: np.ndarray, count: int) -> Circuit:
    """The largest scores, best first."""
    flat = scores.reshape(-1)
    units = np.argpartition(-flat, count)[:count]
    units = units[np.argsort(-flat[units], kind="stable")].astype(np.int32)
    return Circuit(units, flat[units])


def matrices(dice: np.random.Generator, tasks: list[str], n: int) -> dict[str, Any]:
    """Overlaps within and across domains, and drops with their controls."""
    within = np.array([[domain_of(a) == domain_of(b) for b in tasks] for a in tasks])
    share = np.clip(dice.normal(0.05 + 0.15 * within, 0.04), 0, 1).astype(np.float32)
    share = np.maximum(share, share.T)
    np.fill_diagonal(share, 1)
    drop = np.clip(share + dice.normal(0, 0.1, share.shape), -0.2, 1).astype(np.float32)
    small = np.clip(dice.normal(0, 0.05, share.shape), -0.1, 1).astype(np.float32)
    controls = {
        "intact": np.ones(len(tasks), np.float32),
        "n": np.full(len(tasks), n, np.float32),
        "layer_matched": {"trials": 3, "accuracy_drop": small, "score": 1 - small},
        "random": {"trials": 3, "accuracy_drop": small[:1], "score": 1 - small[:1]},
    }
    effects = {"accuracy_drop": drop, "score": 1 - drop}
    return {
        "tasks": tasks,
        "overlap": {"containment": {"neurons": {MAIN: share}}},
        "ablation": {"neurons": {MAIN: {"corrupted": effects}}},
        "controls": {"neurons": {MAIN: {"corrupted": controls}}},
    }


def unit_files(
    output: Output, number: int, tasks: list[str], asked: argparse.Namespace
) -> tuple[dict[str, str], int | None]:
    """All files of a model's units: logical name -> file; and units per cell, where they are binned."""
    dice = np.random.default_rng(number)
    scores = np.stack([attribution(dice, asked.layers, asked.width) for _ in tasks])
    count = asked.layers * asked.width // 1000
    main = {task: circuit(own, count) for task, own in zip(tasks, scores, strict=True)}
    own = Circuits(tasks, scores, main, list(dict.fromkeys(map(domain_of, tasks))))
    files: dict[str, str] = {}

    def add(logical: str, value: Any) -> None:
        name = f"model-{number}.neurons.{logical.replace('/', '--')}"
        files[f"neurons.{logical}"] = output.write(name, value)

    for task, value in own.task_scores():
        add(f"scores.{task}", value)
    # Twelve megabytes each: of some tasks only.
    for task, value in islice(own.exact(), asked.exact):
        add(f"exact.{task}", value)
    for layer in range(min(asked.whole, asked.layers)):
        add(f"layer.{layer}", own.layer(layer))
    add("order", own.order)
    add("domains", own.domain_map())
    add("masks", {MAIN: main})
    return files, own.bin if own.binned else None


def model(
    number: int, tasks: list[str], asked: argparse.Namespace, files: dict[str, str], bin: int | None
) -> Model:
    """What the manifest says of a model."""
    name = f"model-{number}"
    return Model(
        name=name,
        label=name,
        control=False,
        matrices_only=False,
        layers=asked.layers,
        components=[Component("neurons", "neurons", asked.width, "mlp_hidden", bin, "patching")],
        estimators=["patching"],
        tasks={task: TaskOfModel(True, "random numbers", 0.9, 100) for task in tasks},
        sels=[MAIN],
        main_sel=MAIN,
        localizers=[],
        networks=[],
        binned=bin is not None,
        files=files,
    )


def generate(folder: Path, asked: argparse.Namespace) -> Manifest:
    """The whole folder."""
    output = Output(folder)
    every = list_tasks(domains.DATA)
    tasks = every[:: max(1, len(every) // asked.tasks)][: asked.tasks]
    units = [unit_files(output, number, tasks, asked) for number in range(asked.own)]
    models = []
    for number in range(asked.models):
        files, bin = units[number % asked.own]
        made = matrices(np.random.default_rng(number), tasks, 100)
        own = {**files, "matrices": output.write(f"model-{number}.matrices", made)}
        models.append(model(number, tasks, asked, own, bin))
    names = list(dict.fromkeys(map(domain_of, tasks)))
    sizes = f"{asked.layers} layers of {asked.width} neurons"
    manifest = Manifest(
        title=f"{asked.models} models of {sizes} (random numbers)",
        made=Made("0.1.0", "2026-01-01T00:00:00Z", "0" * 64, "python tests/atlas/generate.py"),
        domains=[Domain(one, domains.label(one), domains.colour(one)) for one in names],
        tasks=[Task(one, one.partition("/")[2].replace("_", " "), domain_of(one)) for one in tasks],
        models=models,
        comparisons=[Comparison(models[0].name, one.name, "models") for one in models[1:]],
        shared=domains.SHARED_COLOUR,
    )
    output.write("manifest", manifest)
    (folder / PAGE).write_text(page(), encoding="utf-8")
    return manifest


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    found.add_argument("folder", type=Path, metavar="OUT")
    sizes = {
        "models": 7,
        "tasks": 46,
        "layers": 80,
        "width": 28672,
        "own": 2,
        "whole": 2,
        "exact": 2,
    }
    for name, value in sizes.items():
        found.add_argument(f"--{name}", type=int, default=value)
    return found


if __name__ == "__main__":
    given = parser().parse_args()
    generate(given.folder, given)
