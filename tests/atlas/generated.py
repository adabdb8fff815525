"""Atlases without a study: a small one with all that a unit's page can show and hostile names, and one of the size
of seven models of 70 billion parameters on 46 tasks, for first paint and memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brodmann.atlas import contract as c
from brodmann.atlas.circuits import Circuits
from brodmann.atlas.encode import script
from brodmann.atlas.order import HOW
from brodmann.atlas.write import page

COLOURS = {"language": "#C0392B", "formal": "#2471A3", "physical": "#E67E22", "social": "#27AE60"}
# What a name or a text may hold: none of it may run, and all of it is shown.
HOSTILE = "</script><script>globalThis.hacked=1</script><img src=x onerror=globalThis.hacked=1>"
MAIN = "positive-0.1pct"
MADE = c.Made("0.1.0", "2026-01-01T00:00:00Z", "0" * 64, "brodmann atlas results")


class Folder:
    """Writes an atlas's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        (folder / "index.html").write_text(page(), encoding="utf-8")

    def put(self, files: dict[str, str], model: str, logical: str, value: Any) -> None:
        """A file of a model, and its name in ``files``."""
        name = f"{model}.{logical}".replace("/", "--")
        (self.folder / "data" / f"{name}.js").write_text(script(name, value), encoding="ascii")
        files[logical] = name

    def finish(self, manifest: c.Manifest) -> None:
        """The manifest, last."""
        (self.folder / "data/manifest.js").write_text(script("manifest", manifest), encoding="ascii")


def _domains() -> list[c.Domain]:
    return [c.Domain(name, name, colour) for name, colour in COLOURS.items()]


def _tasks(each: int) -> list[c.Task]:
    return [c.Task(f"{one}/task_{i}", f"{one} task {i}", one) for one in COLOURS for i in range(each)]


def _top(scores: np.ndarray, n: int) -> c.Circuit:
    best = np.argsort(-scores, axis=None, kind="stable")[:n].astype(np.int32)
    return c.Circuit(best, scores.ravel()[best])


def small(folder: Path) -> dict[str, Any]:
    """Two models of a series and an untrained control, neurons and heads, everything that a page can show.

    Returns what tests compare the page with: the largest score of the hostile task and where it is.
    """
    rng = np.random.default_rng(0)
    out, tasks, domains = Folder(folder), _tasks(3), _domains()
    tasks[0] = c.Task("language/task_0", HOSTILE, "language")
    names = [one.name for one in tasks]
    models = []
    layers, widths = 6, {"neurons": 64, "heads": 4}
    answer: dict[str, Any] = {}
    for name, of, series in (
        ("tiny@100", None, c.Series("tiny", "training step", 100)),
        ("tiny@200", None, c.Series("tiny", "training step", 200)),
        ("tiny-untrained", "tiny@200", None),
    ):
        files: dict[str, str] = {}
        components = []
        for component, width in widths.items():
            scores = rng.normal(0, 0.01, (len(tasks), layers, width)).astype(np.float32)
            if component == "neurons" and of is None:
                # Units 0 to 5 of layer 2 carry language, 6 and 7 everything.
                scores[:3, 2, :6] += 0.2
                scores[:, 2, 6:8] += 0.3
            size = 10 if component == "neurons" else 3
            masks = {task: _top(scores[i], size) for i, task in enumerate(names)}
            own = Circuits(names, scores, masks, list(COLOURS))
            for task, value in own.task_scores():
                out.put(files, name, f"{component}.scores.{task}", value)
            for layer in range(layers):
                out.put(files, name, f"{component}.layer.{layer}", own.layer(layer))
            out.put(files, name, f"{component}.order", own.order)
            out.put(files, name, f"{component}.domains", own.domain_map())
            out.put(files, name, f"{component}.masks", {MAIN: masks})
            site = {"neurons": "mlp_hidden", "heads": "heads"}[component]
            components.append(c.Component(component, component, width, site, None, "patching"))
            if name == "tiny@100" and component == "neurons":
                answer["best"] = int(masks[names[0]].units[0])
                answer["score"] = float(masks[names[0]].scores[0])
        t = rng.normal(0, 1, (layers, 64)).astype(np.float32)
        chosen = {"top-1.0pct": np.argsort(-t, axis=None)[:4].astype(np.int32)}
        out.put(files, name, "localizer.language", c.Localizer(t, "mlp_hidden", chosen, {}, None))
        maps = rng.normal(0, 1, (3, layers, 64)).astype(np.float32)
        maps[0, 2, :8] = 9
        members = [np.flatnonzero(np.abs(one) > 3.6).astype(np.int32) for one in maps]
        driving = [
            {"network": "network-0", "rank": 1, "text": 1, "before": "a ", "token": HOSTILE, "after": " b", "course": 4.5}
        ]
        effect = {"dataset": "news", "condition": "network-0", "control_of": None, "how": "inhibit", "amount": None}
        effects = [
            {**effect, "metric": "perplexity", "task": None, "n": 6, "value": 70.0, "low": 60.0, "high": 80.0, "intact": 35.0},
            {**effect, "condition": "random", "control_of": "network-0", "metric": "perplexity", "task": None, "n": 6, "value": 36.0, "low": 35.0, "high": 37.0, "intact": 35.0},
        ]
        labels = ["network-0", "network-1", "network-2"]
        out.put(files, name, "networks.news", c.NetworkMaps(maps, members, labels, 3.6, "mlp_hidden", effects, driving))
        place = {"dataset": "news", "text": 0, "position": 3, "before": "before\n", "token": "zebra", "after": HOSTILE, "value": 2.5}
        driven = {"highest": [place], "lowest": [], "mean": 0.1, "sd": 0.4, "first": 0.0}
        unit = {"site": "mlp_hidden", "layer": 2, "unit": 6, "promotes": [[" stripes", 1.5], [HOSTILE, 1.0]], "suppresses": [[" dots", -1.0]], "share": 1.0, "driven": driven}
        network = {"dataset": "news", "network": 0, "site": "mlp_hidden", "n_units": 8, "promotes": [[" stripes", 2.0]], "suppresses": [], "driven": driven}
        out.put(files, name, "units", {"units": [unit], "networks": [network], "notes": []})
        alone = {"component": "neurons", "task": names[0], "layer": 2, "unit": 6, "effect": 0.125, "source": "agreement"}
        out.put(files, name, "silenced", [alone])
        overlap = rng.uniform(0, 0.3, (len(tasks), len(tasks))).astype(np.float32)
        matrices = {"tasks": names, "overlap": {"containment": {"neurons": {MAIN: overlap}}}, "ablation": {}}
        out.put(files, name, "matrices", matrices)
        networks = [c.Network(label, len(own), "“zebra”" if i == 0 else label, 2.0 if i == 0 else None, 1.03 if i == 0 else None) for i, (label, own) in enumerate(zip(labels, members, strict=True))]
        inclusion = {task: c.TaskOfModel(True, "both-correct share 0.9 reaches 0.6", 0.9, 28) for task in names}
        models.append(
            c.Model(
                name, name, of is not None, False, layers, components, ["patching"], inclusion, [MAIN], MAIN,
                [c.LocalizerOfModel("language", "language", "mlp_hidden", 64, ["top-1.0pct"])],
                [c.NetworksOfModel("news", "mlp_hidden", 64, "canica", networks)],
                False, files, of, series, "sha256:0123456789ab",
            )
        )  # fmt: skip
    out.finish(c.Manifest("A small study", MADE, domains, tasks, models, [], "#9B59B6"))
    return answer


def large(folder: Path, models: int = 7, scored: int = 2) -> None:
    """``models`` of 80 layers with 28672 neurons on 46 tasks; scores of the first ``scored`` tasks of the first."""
    rng = np.random.default_rng(1)
    out, domains = Folder(folder), _domains()
    tasks = _tasks(12)[:46]
    names = [one.name for one in tasks]
    layers, width, size = 80, 28672, 14
    cells = width // size
    found = []
    for number in range(models):
        files: dict[str, str] = {}
        name = f"model-{number}-70b"
        out.put(files, name, "neurons.domains", _domain_file(rng, layers, cells, size))
        k = layers * width // 1000
        masks = {
            task: c.Circuit(
                rng.integers(0, layers * width, k).astype(np.int32), np.sort(rng.exponential(0.01, k).astype(np.float32))[::-1]
            )
            for task in names
        }
        out.put(files, name, "neurons.masks", {MAIN: masks})
        order = np.stack([rng.permutation(width).astype(np.uint16) for _ in range(layers)])
        out.put(files, name, "neurons.order", c.Order(order, HOW))
        overlap = rng.uniform(0, 0.3, (len(names), len(names))).astype(np.float32)
        matrices = {"tasks": names, "overlap": {"containment": {"neurons": {MAIN: overlap}}}, "ablation": {}}
        out.put(files, name, "matrices", matrices)
        if number == 0:
            for task, value in _scores(rng, names[:scored], layers, width, size):
                out.put(files, name, f"neurons.{'exact' if value.scores is not None else 'scores'}.{task}", value)
            ranks = rng.integers(1, layers * width, (len(names), width)).astype(np.int32)
            own = rng.normal(0, 0.01, (len(names), width)).astype(np.float32)
            out.put(files, name, "neurons.layer.40", c.Layer(names, own, ranks))
        component = c.Component("neurons", "neurons", width, "mlp_hidden", size, "patching")
        inclusion = {task: c.TaskOfModel(True, "both-correct share 0.9 reaches 0.6", 0.9, 900) for task in names}
        found.append(
            c.Model(
                name, name, False, False, layers, [component], ["patching"], inclusion, [MAIN], MAIN, [], [], True,
                files, None, None, "sha256:0123456789ab",
            )
        )  # fmt: skip
    out.finish(c.Manifest("Seven models of 70 B", MADE, domains, tasks, found, [], "#9B59B6"))


def _domain_file(rng: np.random.Generator, layers: int, cells: int, size: int) -> c.Domains:
    def one(inner: c.Domains | None = None) -> c.Domains:
        return c.Domains(
            dominant=rng.integers(0, 4, (layers, cells)).astype(np.uint8),
            share=rng.uniform(0.25, 1, (layers, cells)).astype(np.float32),
            strength=rng.exponential(1, (layers, cells)).astype(np.float32),
            circuits=rng.poisson(0.1, (4, layers, cells)).astype(np.uint16),
            how="generated",
            size=size,
            domain_order=inner,
        )

    return one(one())


def _scores(
    rng: np.random.Generator, names: list[str], layers: int, width: int, size: int
) -> Iterator[tuple[str, c.Scores]]:
    from brodmann.atlas.bins import binned

    for task in names:
        scores = rng.standard_t(3, (layers, width)).astype(np.float32) / 100
        members = scores >= np.partition(scores, -2300, axis=None)[-2300]
        yield task, c.Scores(bins=binned(scores, members, size))
        yield task, c.Scores(scores=scores)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a written atlas."""
    text = (folder / "data/manifest.js").read_text(encoding="ascii")
    found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found
