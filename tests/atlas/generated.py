"""A small atlas without a study: all that the page can show, hostile names, and answers that a test knows.
``generate.py`` makes large ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from brodmann.atlas import contract as c
from brodmann.atlas.circuits import Circuits
from brodmann.atlas.encode import script
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
        (self.folder / "data/manifest.js").write_text(
            script("manifest", manifest), encoding="ascii"
        )


def _domains() -> list[c.Domain]:
    return [c.Domain(name, name, colour) for name, colour in COLOURS.items()]


def _tasks(each: int) -> list[c.Task]:
    return [
        c.Task(f"{one}/task_{i}", f"{one} task {i}", one) for one in COLOURS for i in range(each)
    ]


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
        labels = ["network-0", "network-1", "network-2"]
        out.put(
            files, name, "networks.news", c.NetworkMaps(maps, members, labels, 3.6, "mlp_hidden")
        )
        out.put(files, name, "nets", _nets(members, layers))
        place = {
            "dataset": "news",
            "text": 0,
            "position": 3,
            "before": "before\n",
            "token": "zebra",
            "after": HOSTILE,
            "value": 2.5,
        }
        driven = {"highest": [place], "lowest": [], "mean": 0.1, "sd": 0.4, "first": 0.0}
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
        out.put(files, name, "units", {"units": [unit], "networks": [network], "notes": []})
        alone = {
            "component": "neurons",
            "task": names[0],
            "layer": 2,
            "unit": 6,
            "effect": 0.125,
            "source": "agreement",
        }
        out.put(files, name, "silenced", [alone])
        overlap = rng.uniform(0, 0.3, (len(tasks), len(tasks))).astype(np.float32)
        matrices = {
            "tasks": names,
            "overlap": {"containment": {"neurons": {MAIN: overlap}}},
            "ablation": {},
        }
        out.put(files, name, "matrices", matrices)
        networks = [
            c.Network(
                label,
                len(own),
                "“zebra”" if i == 0 else label,
                2.0 if i == 0 else None,
                1.03 if i == 0 else None,
            )
            for i, (label, own) in enumerate(zip(labels, members, strict=True))
        ]
        inclusion = {
            task: c.TaskOfModel(True, "both-correct share 0.9 reaches 0.6", 0.9, 28)
            for task in names
        }
        models.append(
            c.Model(
                name, name, of is not None, False, layers, components, ["patching"], inclusion, [MAIN], MAIN,
                [c.LocalizerOfModel("language", "language", "mlp_hidden", 64, ["top-1.0pct"])],
                [c.NetworksOfModel("news", "mlp_hidden", 64, "canica", networks)],
                False, files, of, series, "sha256:0123456789ab",
            )
        )  # fmt: skip
    files = {}
    out.put(files, "study", "summary", _summary([one.name for one in models]))
    out.finish(
        c.Manifest("A small study", MADE, domains, tasks, models, [], "#9B59B6", False, files)
    )
    return answer


def _summary(models: list[str]) -> dict[str, Any]:
    """As statistics/domain_modularity.csv has it: formal is the most separate domain, in no control."""
    rows = []
    for model in models:
        for number, domain in enumerate(COLOURS):
            gap = (
                0.0 if model.endswith("untrained") else 0.3 if domain == "formal" else 0.05 * number
            )
            row = {
                "model": model,
                "control": model.endswith("untrained"),
                "component": "neurons",
                "sel": MAIN,
                "measure": "containment",
            }
            interval = {
                "within_low": gap,
                "within_high": gap + 0.2,
                "cross_low": 0.05,
                "cross_high": 0.15,
                "n": 12,
                "n_domain": 3,
            }
            values = {
                "domain": domain,
                "within": 0.1 + gap,
                "cross": 0.1,
                "difference": gap,
                "ratio": 1 + 10 * gap,
                "p": 0.01,
                "q": 0.02,
            }
            rows.append(row | values | interval)
    return {"domains": rows, "all": [], "untrained": []}


def _nets(members: list[np.ndarray], layers: int) -> dict[str, Any]:
    """Silencing network 0 doubles perplexity; a hostile token drives it."""
    silenced = {
        "value": 70.0,
        "low": 60.0,
        "high": 80.0,
        "n": 6,
        "intact": 35.0,
        "p": 0.03,
        "q": 0.04,
        "p_random": 0.03,
        "q_random": 0.04,
    }
    rows = [
        {
            "dataset": "news",
            "network": i,
            "n_units": len(own),
            "percent": 1.0,
            "explained": 0.1,
            "stability": 0.9,
        }
        for i, own in enumerate(members)
    ]
    rows[0] |= {
        "silenced": silenced,
        "random": [{"value": 36.05, "low": 35.0, "high": 37.0, "n": 6}],
    }
    counts = np.stack([np.bincount(own // 64, minlength=layers) for own in members]).astype(
        np.int32
    )
    place = {
        "dataset": "news",
        "network": "network-0",
        "rank": 1,
        "text": 1,
        "before": "a ",
        "token": HOSTILE,
        "after": " b",
        "course": 4.5,
    }
    return {"rows": rows, "layers": {"news": counts}, "driving": [place]}
