"""Writes the atlas's data (docs/atlas.md#data) from the files of a finished study, for the front end's tests.

    python tests/atlas/fixture.py results/ results/atlas/
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from brodmann.tasks.catalogue import task_title
from brodmann.tasks.domains import known, rank

BUNDLE = Path(__file__).parents[2] / "src/brodmann/atlas/bundle/index.html"
DTYPES = {"f": ("f32", "<f4"), "i": ("i32", "<i4"), "u": ("u8", "<u1")}


def array(values: Any) -> dict[str, Any]:
    """An array inside JSON."""
    values = np.asarray(values)
    name, dtype = DTYPES[values.dtype.kind]
    data = np.ascontiguousarray(values, dtype=dtype).tobytes()
    return {"dtype": name, "shape": list(values.shape), "data": base64.b64encode(data).decode()}


def script(name: str, value: Any) -> str:
    """A call that hands the value to the page, whatever strings it holds."""
    text = json.dumps(value, allow_nan=False)
    for unsafe in ("<", "\u2028", "\u2029"):
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return f'atlas({json.dumps(name)},{text});\n'


class Writer:
    """Files of one model: logical name -> file stem."""

    def __init__(self, data: Path, model: str) -> None:
        self.data, self.model = data, model
        self.files: dict[str, str] = {}

    def put(self, logical: str, value: Any) -> None:
        name = f"{self.model}.{logical}".replace("/", "--")
        (self.data / f"{name}.js").write_text(script(name, value))
        self.files[logical] = name


def model_of(results: Path, data: Path, tasks: list[str]) -> dict[str, Any]:
    """One model's files, and what the manifest says of it."""
    card = json.loads((results / "model.json").read_text())
    writer = Writer(data, results.name)
    width, layers = card["neurons_per_layer"], card["n_layers"]
    baselines = {
        task: json.loads(path.read_text())
        for task in tasks
        if (path := results / f"baseline/{task}.json").exists()
    }
    inclusion = {
        task: {
            "included": one["included"],
            "reason": one["reason"],
            "accuracy": one["clean_accuracy"],
            "n_items": one["n_both_correct"],
        }
        for task, one in baselines.items()
    }
    included = [task for task, one in inclusion.items() if one["included"]]
    folder = results / "attribution/neurons"
    scores = {
        task: load_file(folder / f"{task}.safetensors")["attribution"]
        for task in included
        if (folder / f"{task}.safetensors").exists()
    }
    for task, values in scores.items():
        writer.put(f"neurons.scores.{task}", {"scores": array(values)})
    ranks = {}
    for task, values in scores.items():
        best = np.argsort(-values.ravel(), kind="stable")
        place = np.empty(best.size, np.int32)
        place[best] = np.arange(1, best.size + 1)
        ranks[task] = place.reshape(values.shape)
    for layer in range(layers):
        rows = {
            "tasks": list(scores),
            "scores": array(np.stack([one[layer] for one in scores.values()])),
            "ranks": array(np.stack([one[layer] for one in ranks.values()])),
        }
        writer.put(f"neurons.layer.{layer}", rows)
    sels = sorted((path.name for path in (results / "masks/neurons").iterdir()), key=_percent)
    for sel in sels:
        circuits = {}
        for task in scores:
            mask = pd.read_csv(results / f"masks/neurons/{sel}/{task}.csv")
            units = (mask.layer * width + mask.unit).to_numpy(np.int32)
            circuits[task] = {"units": array(units), "scores": array(mask.score.to_numpy(float))}
        writer.put(f"neurons.masks.{sel}", {sel: circuits})
        if sel == "positive-0.1pct":
            writer.put("neurons.masks", {sel: circuits})
    _order(writer, scores, width)
    localizers, networks = [], []
    for path in sorted((results / "localizer").glob("*/selectivity.safetensors")):
        t = load_file(path)["t"]
        chosen = sorted(path.parent.glob("*pct*.csv"))
        tables = {one.stem: pd.read_csv(one) for one in chosen}
        site = next(iter(tables.values())).site[0]
        selections = {
            name: array((one.layer * t.shape[1] + one.unit).to_numpy(np.int32))
            for name, one in tables.items()
        }
        name = path.parent.name
        writer.put(f"localizer.{name}", {"t": array(t), "site": site, "selections": selections})
        label = name.replace("_", " ")
        localizers.append(
            {"name": name, "label": label, "site": site, "width": t.shape[1], "selections": list(tables)}
        )
    for path in sorted((results / "networks").glob("*/templates.safetensors")):
        card_of = json.loads(path.with_suffix(".json").read_text())
        maps = load_file(path)["maps"]
        dataset, threshold = path.parent.name, card_of["threshold"]
        members = [np.flatnonzero(np.abs(one) > threshold).astype(np.int32) for one in maps]
        site = card_of.get("site", "mlp_output")
        value = {"maps": array(maps), "members": [array(one) for one in members]}
        writer.put(f"networks.{dataset}", {**value, "threshold": threshold, "site": site})
        named = [
            {"name": f"network-{i}", "n_units": len(one), "label": f"network {i}"}
            for i, one in enumerate(members)
        ]
        method = card_of.get("method", "canica")
        networks.append(
            {"dataset": dataset, "site": site, "width": maps.shape[2], "method": method, "networks": named}
        )
    _matrices(writer, results, included)
    _units(writer, results)
    control = card["untrained"]
    return {
        "name": results.name,
        "label": results.name,
        "control": control,
        **({"of": results.name.removesuffix("-untrained")} if control else {}),
        "matrices_only": False,
        "layers": layers,
        "components": [{"name": "neurons", "label": "MLP neurons", "width": width, "site": "mlp_hidden"}],
        "estimators": ["patching"],
        "tasks": inclusion,
        "sels": sels,
        "main_sel": "positive-0.1pct",
        "localizers": localizers,
        "networks": networks,
        "binned": False,
        "files": writer.files,
    }


def _percent(sel: str) -> float:
    return float(sel.split("-")[1].removesuffix("pct"))


def _order(writer: Writer, scores: dict[str, np.ndarray], width: int) -> None:
    """Units by the domain in which they are strongest, then by how strong."""
    domains = sorted({task.split("/")[0] for task in scores}, key=rank)
    mean = np.stack(
        [
            np.mean([one / np.abs(one).max() for task, one in scores.items() if task.startswith(domain)], 0)
            for domain in domains
        ]
    )
    owner, strength = mean.argmax(0), mean.max(0)
    places = np.lexsort((-strength, owner), axis=1)
    how = "Within each layer, units stand by the domain of their highest mean attribution, strongest first."
    writer.put("neurons.order", {"domain": array(places.astype(np.int32)), "how": how})


def _matrices(writer: Writer, results: Path, included: list[str]) -> None:
    overlap: dict[str, Any] = {}
    for path in sorted((results / "overlap/neurons").glob("*.csv")):
        sel, _, measure = path.stem.rpartition(".")
        if measure not in ("containment", "jaccard", "doubly_stochastic"):
            continue
        table = pd.read_csv(path, index_col=0).reindex(index=included, columns=included)
        overlap.setdefault(measure, {}).setdefault("neurons", {})[sel] = array(table.to_numpy(float))
    ablation: dict[str, Any] = {}
    for path in sorted((results / "ablation/neurons").glob("*.*.*.csv")):
        sel, kind, what = path.name.removesuffix(".csv").rsplit(".", 2)
        if what not in ("accuracy_drop", "score"):
            continue
        table = pd.read_csv(path, index_col=0).reindex(index=included, columns=included)
        ablation.setdefault("neurons", {}).setdefault(sel, {}).setdefault(kind, {})[what] = array(
            table.to_numpy(float)
        )
    writer.put("matrices", {"tasks": included, "overlap": overlap, "ablation": ablation})


def _units(writer: Writer, results: Path) -> None:
    path = results / "units/neurons.csv"
    if not path.exists():
        return
    units: dict[str, dict[str, list[Any]]] = {}
    table = pd.read_csv(path).drop_duplicates(["layer", "unit", "side", "place"])
    for row in table.itertuples():
        unit = units.setdefault(f"{row.layer}/{row.unit}", {})
        unit.setdefault(row.side, []).append([json.loads(row.token), row.logit])
    writer.put("units", {"neurons": units})


def write(results: Path, atlas: Path) -> None:
    """The page and its data."""
    data = atlas / "data"
    data.mkdir(parents=True, exist_ok=True)
    cards = sorted(results.glob("*/model.json"))
    tasks = sorted(
        {
            "/".join(path.relative_to(card.parent / "baseline").with_suffix("").parts)
            for card in cards
            for path in (card.parent / "baseline").glob("*/*.json")
        },
        key=lambda task: (rank(task.split("/")[0]), task),
    )
    models = [model_of(card.parent, data, tasks) for card in cards]
    domains = list(dict.fromkeys(task.split("/")[0] for task in tasks))
    manifest = {
        "version": 1,
        "title": "brodmann demo",
        "made": {"brodmann": "0.1.0", "date": "2026-11-26"},
        "domains": [{"name": one, "label": known()[one].name, "colour": known()[one].colour} for one in domains],
        "tasks": [{"name": one, "label": task_title(one), "domain": one.split("/")[0]} for one in tasks],
        "models": models,
    }
    (data / "manifest.js").write_text(script("manifest", manifest))
    (atlas / "index.html").write_bytes(BUNDLE.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
