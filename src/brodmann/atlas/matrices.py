"""What tasks share and what silencing does, tasks by tasks, with the controls beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brodmann.atlas.views_data import COLUMNS, rows_of
from brodmann.store.tables import read_matrix, read_table

# Measures of overlap; whatever else lies beside them has another shape.
MEASURES = ("containment", "jaccard", "doubly_stochastic", "noise_corrected")
EFFECTS = ("accuracy_drop", "score")
_CONTROLS = ("layer_matched", "activation_matched", "random")


def read_matrices(folder: Path, tasks: Sequence[str], sels: Sequence[str]) -> dict[str, Any]:
    """All matrices of a model's folder (or the average's), on the axis of ``tasks``; NaN for others.

    ``sels``: of the study; files of others are an earlier study's.
    """
    found: dict[str, Any] = {"tasks": list(tasks), "overlap": {}, "ablation": {}}
    for path in sorted(folder.glob("overlap/*/*.csv")):
        sel, _, measure = path.stem.rpartition(".")
        if measure in MEASURES and sel in sels:
            place = found["overlap"].setdefault(measure, {}).setdefault(path.parent.name, {})
            place[sel] = _values(path, tasks)
    for path in sorted(folder.glob("ablation/*/*.csv")):
        stem, _, effect = path.stem.rpartition(".")
        sel, _, kind = stem.rpartition(".")
        if effect in EFFECTS and sel in sels:
            place = found["ablation"].setdefault(path.parent.name, {}).setdefault(sel, {})
            place.setdefault(kind, {})[effect] = _values(path, tasks)
        elif effect == "forecast" and stem in sels:
            place = found.setdefault("forecast", {}).setdefault(path.parent.name, {})
            place[stem] = _values(path, tasks)
    for component, sizes in found["ablation"].items():
        for sel, kinds in sizes.items():
            for kind in kinds:
                own = folder / "ablation" / component / sel / kind
                if controls := _controls(own, tasks):
                    place = found.setdefault("controls", {}).setdefault(component, {})
                    place.setdefault(sel, {})[kind] = controls
    for what in ("reliability", "stability", "summary"):
        for path in sorted(folder.glob(f"overlap/*/*.{what}.csv")):
            sel = path.name.removesuffix(f".{what}.csv")
            if sel not in sels:
                continue
            place = found.setdefault(what, {}).setdefault(path.parent.name, {})
            rows = rows_of(read_table(path, ["measure" if what == "summary" else "task"]))
            place[sel] = rows if what == "summary" else {row.pop("task"): row for row in rows}
    return found


def _values(path: Path, tasks: Sequence[str]) -> np.ndarray:
    found = read_matrix(path).reindex(index=list(tasks), columns=list(tasks))
    values: np.ndarray = found.to_numpy(dtype=np.float32)
    return values


def _controls(folder: Path, tasks: Sequence[str]) -> dict[str, Any]:
    """Means over the draws of each control: rows the circuit that it is matched with, columns the task.

    Random units belong to no circuit and have one row.
    """
    tables = []
    for task in tasks:
        path = folder / f"{task}.csv"
        if path.is_file():
            tables.append(read_table(path, COLUMNS["lesions"]).assign(target=task))
    if not tables:
        return {}
    table = pd.concat(tables, ignore_index=True)
    found: dict[str, Any] = {}
    intact = table[table["condition"] == "intact"].set_index("target")
    for name, column in (("intact", "accuracy"), ("n", "n")):
        if column in intact:
            found[name] = intact[column].reindex(tasks).to_numpy(dtype=np.float32)
    for condition in _CONTROLS:
        own = table[table["condition"] == condition]
        if own.empty:
            continue
        sources = own["source"].fillna("")
        rows = list(tasks) if sources.any() else [""]
        found[condition] = {"trials": int(own["trial"].nunique())}
        for name, column in (("accuracy_drop", "drop"), ("score", "score")):
            means = own.assign(source=sources).pivot_table(
                index="source", columns="target", values=column
            )
            found[condition][name] = means.reindex(index=rows, columns=list(tasks)).to_numpy(
                np.float32
            )
    return found
