"""Attributions by other estimators than the study's own: those of ``attribution.agreement.estimators``.

They are records of the attribution pass, in the store among the results. Results that were copied without it
have none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load

from brodmann.atlas.circuits import Circuits
from brodmann.atlas.contract import Scores
from brodmann.circuits.trials import trial_name
from brodmann.files import read_json
from brodmann.store.store import Store
from brodmann.store.tensors import facts_of


def tried_scores(
    folder: Path, component: str, circuits: Circuits, trials: Sequence[str]
) -> Iterator[tuple[str, str, Scores]]:
    """(estimator and positions, task, scores) of every trial of a task that has been made.

    ``folder``: of a model; ``trials``: as the config names them, ``relp at all``.
    """
    manifest = folder / ".store" / "attribution.json"
    if not trials or not manifest.is_file():
        return
    keys, store = read_json(manifest).get("keys", {}), Store(folder / ".store" / "attribution")
    for trial in trials:
        for row, task in enumerate(circuits.tasks):
            key = keys.get(trial_name(task, component, trial))
            record = store.get(key) if key else None
            if record is None:
                continue
            scores = load(record)["attribution"].astype(np.float32, copy=False)
            if scores.shape == circuits.shape:
                n_items = int(facts_of(record)["n_items"])
                yield trial, task, circuits.shown(row, scores, n_items)
