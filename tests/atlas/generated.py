"""Atlases without a study: a small one of all that the page can show, and large ones, to measure the page on.

    python tests/atlas/generated.py OUT [--models 7] [--tasks 46] [--layers 80] [--width 28672]

writes a large one: OUT/index.html and OUT/data as ``brodmann atlas`` would of a study of such models. Only
the first ``--own`` models have files of units, which the others share; of ``--whole`` layers every unit is
there, and of ``--exact`` tasks every score. The whole would be a hundred times as large.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.atlas import contract as c
from brodmann.atlas.circuits import Circuits
from brodmann.atlas.encode import script
from brodmann.atlas.write import DATA, PAGE, page
from brodmann.tasks import domains
from brodmann.tasks.catalogue import domain_of, list_tasks

MAIN = "positive-0.1pct"


class Folder:
    """Writes an atlas's files."""

    def __init__(self, folder: Path, by: str) -> None:
        """``by``: the command that made it."""
        self.folder, self.by = folder, by
        (folder / DATA).mkdir(parents=True)

    def put(self, files: dict[str, str], model: str, logical: str, value: Any) -> None:
        """A file of a model, and its name in ``files``."""
        name = f"{model}.{logical}".replace("/", "--")
        self._write(name, value)
        files[logical] = name

    def finish(
        self,
        title: str,
        tasks: list[c.Task],
        models: list[c.Model],
        comparisons: Sequence[c.Comparison] = (),
        files: dict[str, str] | None = None,
    ) -> c.Manifest:
        """The manifest, last."""
        names = dict.fromkeys(task.domain for task in tasks)
        manifest = c.Manifest(
            title=title,
            made=c.Made("0.1.0", "2026-01-01T00:00:00Z", "0" * 64, self.by),
            domains=[c.Domain(one, domains.label(one), domains.colour(one)) for one in names],
            tasks=tasks,
            models=models,
            comparisons=list(comparisons),
            shared=domains.SHARED_COLOUR,
            files=files or {},
        )
        self._write("manifest", manifest)
        (self.folder / PAGE).write_text(page(), encoding="utf-8")
        return manifest

    def _write(self, name: str, value: Any) -> None:
        path = self.folder / DATA / f"{name}.js"
        path.write_text(script(name, value), encoding="ascii")


def top(scores: np.ndarray, n: int) -> c.Circuit:
    """The n largest scores, best first."""
    flat = scores.reshape(-1)
    best = np.argpartition(-flat, n)[:n]
    best = best[np.argsort(-flat[best], kind="stable")].astype(np.int32)
    return c.Circuit(best, flat[best])


def included(tasks: Sequence[str]) -> dict[str, c.TaskOfModel]:
    """All of them, done well enough."""
    return {
        task: c.TaskOfModel(True, "both-correct share 0.9 reaches 0.6", 0.9, 28) for task in tasks
    }


# Large


def attribution(dice: np.random.Generator, layers: int, width: int) -> np.ndarray:
    """float32 [layers, width]: heavy tails, stronger in late layers, as attributions are."""
    scale = np.linspace(0.2, 1.0, layers, dtype=np.float32)[:, None]
    # Of normal numbers over uniform ones: tails as of attributions, at a tenth of the time of Student's t.
    normal = dice.standard_normal((layers, width), dtype=np.float32)
    spread = dice.random((layers, width), dtype=np.float32) ** 0.4 + np.float32(0.01)
    found: np.ndarray = normal / spread * scale * np.float32(1e-4)
    return found


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
    out: Folder, name: str, dice: np.random.Generator, tasks: list[str], asked: argparse.Namespace
) -> tuple[dict[str, str], int | None]:
    """All files of a model's units: logical name -> file; and units per cell, where they are binned."""
    scores = np.stack([attribution(dice, asked.layers, asked.width) for _ in tasks])
    count = asked.layers * asked.width // 1000
    main = {task: top(own, count) for task, own in zip(tasks, scores, strict=True)}
    own = Circuits(tasks, scores, main, list(dict.fromkeys(map(domain_of, tasks))))
    files: dict[str, str] = {}
    for task, value in own.task_scores():
        out.put(files, name, f"neurons.scores.{task}", value)
    # Twelve megabytes each: of some tasks only.
    for task, value in islice(own.exact(), asked.exact):
        out.put(files, name, f"neurons.exact.{task}", value)
    for layer in range(min(asked.whole, asked.layers)):
        out.put(files, name, f"neurons.layer.{layer}", own.layer(layer))
    out.put(files, name, "neurons.order", own.order)
    out.put(files, name, "neurons.domains", own.domain_map())
    out.put(files, name, "neurons.masks", {MAIN: main})
    return files, own.bin if own.binned else None


def large(folder: Path, asked: argparse.Namespace) -> c.Manifest:
    """Models of any size, of random numbers."""
    out = Folder(folder, "python tests/atlas/generated.py")
    every = list_tasks(domains.DATA)
    tasks = every[:: max(1, len(every) // asked.tasks)][: asked.tasks]
    names = [f"model-{number}" for number in range(asked.models)]
    units = [
        unit_files(out, name, np.random.default_rng(number), tasks, asked)
        for number, name in enumerate(names[: asked.own])
    ]
    models = []
    for number, name in enumerate(names):
        lent, bin = units[number % asked.own]
        files = dict(lent)
        out.put(files, name, "matrices", matrices(np.random.default_rng(number), tasks, 100))
        neurons = c.Component("neurons", "neurons", asked.width, "mlp_hidden", bin, "patching")
        models.append(
            c.Model(
                name, name, False, False, asked.layers, [neurons], ["patching"], included(tasks), [MAIN],
                MAIN, [], [], bin is not None, files,
            )
        )  # fmt: skip
    sizes = f"{asked.layers} layers of {asked.width} neurons"
    return out.finish(
        f"{asked.models} models of {sizes} (random numbers)",
        [c.Task(one, one.partition("/")[2].replace("_", " "), domain_of(one)) for one in tasks],
        models,
        [c.Comparison(names[0], one, "models") for one in names[1:]],
    )


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    found.add_argument("folder", type=Path, metavar="OUT")
    sizes = {"models": 7, "tasks": 46, "layers": 80, "width": 28672, "own": 2, "whole": 2}
    for name, value in {**sizes, "exact": 2}.items():
        found.add_argument(f"--{name}", type=int, default=value)
    return found


# Small

# What a name or a text may hold: none of it may run, and all of it is shown.
HOSTILE = "</script><script>globalThis.hacked=1</script><img src=x onerror=globalThis.hacked=1>"
DOMAINS = ("language", "formal", "physical", "social")
TRIED = "relp at all"
LAYERS, WIDTHS, SITES = 6, {"neurons": 64, "heads": 4}, {"neurons": "mlp_hidden", "heads": "heads"}


def small(folder: Path) -> dict[str, Any]:
    """Two models of a series and an untrained control, neurons and heads, everything that a page can show.

    Returns what tests compare the page with: the largest score of the hostile task, and where it is.
    """
    dice = np.random.default_rng(0)
    out = Folder(folder, "brodmann atlas results")
    tasks = [c.Task(f"{one}/task_{i}", f"{one} task {i}", one) for one in DOMAINS for i in range(3)]
    tasks[0] = c.Task("language/task_0", HOSTILE, "language")
    names = [one.name for one in tasks]
    models, answer = [], {}
    for name, of, step in (
        ("tiny@100", None, 100),
        ("tiny@200", None, 200),
        ("tiny-untrained", "tiny@200", None),
    ):
        files: dict[str, str] = {}
        components = []
        for component, width in WIDTHS.items():
            scores = dice.normal(0, 0.01, (len(names), LAYERS, width)).astype(np.float32)
            if component == "neurons" and of is None:
                # Units 0 to 5 of layer 2 carry language, 6 and 7 everything.
                scores[:3, 2, :6] += 0.2
                scores[:, 2, 6:8] += 0.3
            masks = _circuits(out, files, name, component, names, scores)
            tried = [TRIED] if component == "neurons" else None
            components.append(
                c.Component(component, component, width, SITES[component], None, "patching", tried)
            )
            if name == "tiny@100" and component == "neurons":
                best = masks[names[0]]
                answer = {"best": int(best.units[0]), "score": float(best.scores[0])}
        t = dice.normal(0, 1, (LAYERS, 64)).astype(np.float32)
        out.put(
            files, name, "localizer.language",
            c.Localizer(t, "mlp_hidden", {"top-1.0pct": top(t, 4).units}, {}, None),
        )  # fmt: skip
        networks = _networks(out, files, name, dice)
        out.put(files, name, "units", _pages())
        out.put(files, name, "silenced", [_alone(names[0])])
        overlap = dice.uniform(0, 0.3, (len(names), len(names))).astype(np.float32)
        own = {"tasks": names, "overlap": {"containment": {"neurons": {MAIN: overlap}}}}
        out.put(files, name, "matrices", {**own, "ablation": {}})
        series = c.Series("tiny", "training step", step) if step else None
        models.append(
            c.Model(
                name, name, of is not None, False, LAYERS, components, ["patching"], included(names),
                [MAIN], MAIN, [c.LocalizerOfModel("language", "language", "mlp_hidden", 64, ["top-1.0pct"])],
                [networks], False, files, of, series, "sha256:0123456789ab",
            )
        )  # fmt: skip
    files = {}
    out.put(files, "study", "summary", _summary([one.name for one in models]))
    out.finish("A small study", tasks, models, files=files)
    return answer


def _circuits(
    out: Folder,
    files: dict[str, str],
    model: str,
    component: str,
    tasks: list[str],
    scores: np.ndarray,
) -> dict[str, c.Circuit]:
    """Files of all that is known of a component; half of every score by the other estimator."""
    size = 10 if component == "neurons" else 3
    masks = {task: top(own, size) for task, own in zip(tasks, scores, strict=True)}
    own = Circuits(tasks, scores, masks, list(DOMAINS))
    for row, (task, value) in enumerate(own.task_scores()):
        out.put(files, model, f"{component}.scores.{task}", value)
        if component == "neurons":
            tried = own.shown(row, scores[row] / 2, 12)
            out.put(files, model, f"{component}.tried.{TRIED}.{task}", tried)
    for layer in range(LAYERS):
        out.put(files, model, f"{component}.layer.{layer}", own.layer(layer))
    out.put(files, model, f"{component}.order", own.order)
    out.put(files, model, f"{component}.domains", own.domain_map())
    out.put(files, model, f"{component}.masks", {MAIN: masks})
    return masks


def _networks(
    out: Folder, files: dict[str, str], model: str, dice: np.random.Generator
) -> c.NetworksOfModel:
    """Three networks of news; the first one is harmful, and is driven by a zebra."""
    maps = dice.normal(0, 1, (3, LAYERS, 64)).astype(np.float32)
    maps[0, 2, :8] = 9
    members = [np.flatnonzero(np.abs(one) > 3.6).astype(np.int32) for one in maps]
    names = [f"network-{number}" for number in range(3)]
    out.put(files, model, "networks.news", c.NetworkMaps(maps, members, names, 3.6, "mlp_hidden"))
    out.put(files, model, "nets", _nets(members))
    harms = [("high on “zebra” (3 of 3)", 2.0, 1.03), *((name, None, None) for name in names[1:])]
    networks = [
        c.Network(name, len(own), label, harm, control)
        for name, own, (label, harm, control) in zip(names, members, harms, strict=True)
    ]
    return c.NetworksOfModel("news", "mlp_hidden", 64, "canica", networks)


def _nets(members: list[np.ndarray]) -> dict[str, Any]:
    """Silencing network 0 doubles perplexity; a hostile token drives it."""
    about = {"percent": 1.0, "explained": 0.1, "stability": 0.9}
    rows: list[dict[str, Any]] = [
        {"dataset": "news", "network": i, "n_units": len(own), **about}
        for i, own in enumerate(members)
    ]
    lost = {"value": 70.0, "low": 60.0, "high": 80.0, "n": 6, "intact": 35.0}
    tested = {"p": 0.03, "q": 0.04, "p_random": 0.03, "q_random": 0.04}
    rows[0]["silenced"] = lost | tested
    rows[0]["random"] = [{"value": 36.05, "low": 35.0, "high": 37.0, "n": 6}]
    counts = [np.bincount(own // 64, minlength=LAYERS) for own in members]
    place = {"dataset": "news", "network": "network-0", "rank": 1, "text": 1, "course": 4.5}
    texts = {"before": "a ", "token": HOSTILE, "after": " b"}
    return {
        "rows": rows,
        "layers": {"news": np.stack(counts).astype(np.int32)},
        "driving": [place | texts],
    }


def _pages() -> dict[str, Any]:
    """Of one unit and one network."""
    place = {"dataset": "news", "text": 0, "position": 3, "before": "before\n", "token": "zebra"}
    high, low = {**place, "after": HOSTILE, "value": 2.5}, {**place, "after": "", "value": -1.5}
    driven = {"highest": [high], "lowest": [low], "mean": 0.1, "sd": 0.4, "first": 0.0}
    unit = {
        "site": "mlp_hidden",
        "layer": 2,
        "unit": 6,
        "promotes": [[" stripes", 1.5], [HOSTILE, 1.0]],
        "suppresses": [[" dots", -1.0]],
        "share": 1.0,
        "driven": driven,
    }
    network = {
        "dataset": "news",
        "network": 0,
        "site": "mlp_hidden",
        "n_units": 8,
        "promotes": [[" stripes", 2.0]],
        "suppresses": [],
        "driven": driven,
    }
    return {"units": [unit], "networks": [network], "notes": []}


def _alone(task: str) -> dict[str, Any]:
    about = {"component": "neurons", "task": task, "layer": 2, "unit": 6}
    return {**about, "effect": 0.125, "source": "agreement"}


def _summary(models: list[str]) -> dict[str, Any]:
    """As statistics/domain_modularity.csv has it: formal is the most separate domain, in no control."""
    rows = []
    for model in models:
        control = model.endswith("untrained")
        about = {"model": model, "control": control, "component": "neurons", "sel": MAIN}
        for number, domain in enumerate(DOMAINS):
            gap = 0.0 if control else 0.3 if domain == "formal" else 0.05 * number
            means = {"within": 0.1 + gap, "within_low": gap, "within_high": gap + 0.2}
            means |= {"cross": 0.1, "cross_low": 0.05, "cross_high": 0.15}
            tested = {"difference": gap, "ratio": 1 + 10 * gap, "p": 0.01, "q": 0.02}
            counts = {"n": 12, "n_domain": 3}
            rows.append(
                about | {"measure": "containment", "domain": domain} | means | tested | counts
            )
    return {"domains": rows, "all": [], "untrained": []}


if __name__ == "__main__":
    given = parser().parse_args()
    large(given.folder, given)
