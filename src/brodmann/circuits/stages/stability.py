"""Stability stage: how alike the circuits of resampled items are, by task and by number of items. Light.

Circuits of lists as long as a task's own are among its replicates. Those of shorter lists are records of
their own (``attribution.stability``), which are made where the attribution is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from safetensors.numpy import load as unpack

from brodmann.circuits.masks import Selection
from brodmann.circuits.replicates import Strongest
from brodmann.circuits.stability import Alike, needed
from brodmann.circuits.stages.curves import curve_name
from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.models.population import Population
from brodmann.store.tables import write_table
from brodmann.store.tensors import metadata_of, read_tensors
from brodmann.store.work import Records

COLUMNS = (
    *("task", "n_items", "n_units", "n_circuit", "n_bootstraps", "jaccard", "low", "high"),
    *("stable", "needed"),
)
CURVE = ("task", "n_units", "n_draws", "jaccard", "low", "high")


def write_stability(
    study: Study,
    *,
    model_json: str,
    component: str,
    tasks: Sequence[str],
    replicate_files: Sequence[str],
    manifest: str,
    table: str,
    curves: str | None = None,
) -> None:
    """Rule ``stability``: a row per included task; in ``curves`` one for each of its numbers of items."""
    card = ModelCard.read(model_json)
    n_units = len(Population.of_level(card, component))
    selection = Selection(study.selection.signs[0], study.selection.main)
    records = Records(manifest, "attribution")
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    for task, path in zip(tasks, replicate_files, strict=True):
        tensors = read_tensors(path)
        if not tensors:  # excluded
            continue
        facts, alike, curve = metadata_of(path), Alike(), {}
        # Of a single independent unit there is no other draw.
        several = int(facts["n_units"]) > 1
        if several:
            alike = Alike.of(Strongest.stored(tensors, "bootstraps", n_units), selection)
        if several and curves is not None:
            name = curve_name(task, component)
            record = records.get(name, f"circuits of few items of {task}")
            curve = _curve(unpack(record), selection, n_units)
        rows.append(
            {
                "task": task,
                **{name: facts[name] for name in ("n_items", "n_units")},
                "n_circuit": selection.size(n_units),
                "n_bootstraps": alike.n,
                **_columns(alike),
                "stable": int(alike.stable) if alike.mean == alike.mean else "",
                "needed": needed(curve) or "",
            }
        )
        points += [
            {"task": task, "n_units": count, "n_draws": own.n, **_columns(own)}
            for count, own in curve.items()
        ]
    write_table(table, rows, COLUMNS)
    if curves is not None:
        write_table(curves, points, CURVE)


def _columns(alike: Alike) -> dict[str, float]:
    own = asdict(alike)
    return {"jaccard": own["mean"], "low": own["low"], "high": own["high"]}


def _curve(
    tensors: Mapping[str, np.ndarray], selection: Selection, n_units: int
) -> dict[int, Alike]:
    """Number of units -> how alike circuits are; ``tensors``: NUMBER.SIGN.units, NUMBER.SIGN.scores."""
    counts = sorted({int(name.partition(".")[0]) for name in tensors})
    return {
        count: Alike.of(Strongest.stored(tensors, str(count), n_units), selection)
        for count in counts
    }
