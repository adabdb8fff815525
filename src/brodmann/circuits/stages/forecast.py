"""Forecast stage: a cheap preview of the ablation matrix from attributions and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from brodmann.circuits.forecast import forecast
from brodmann.circuits.masks import read_mask
from brodmann.config.study import Study
from brodmann.models.card import ModelCard
from brodmann.sites import COMPONENTS
from brodmann.store.tables import write_matrix
from brodmann.store.tensors import read_tensor


def write_forecasts(
    study: Study,
    *,
    model_json: str,
    component: str,
    tasks: Sequence[str],
    attribution_files: Sequence[str],
    mask_folder: str,
    outputs: Mapping[str, str],
) -> None:
    """Rule ``forecast``: every ablated selection's forecast; ``outputs``: {sel} -> file."""
    values = {
        task: read_tensor(file, "attribution")
        for task, file in zip(tasks, attribution_files, strict=True)
    }
    origin = ModelCard.read(model_json).origin(COMPONENTS[component])
    included = {task: own for task, own in values.items() if own.size}
    for selection, output in outputs.items():
        circuits = {
            task: read_mask(Path(mask_folder, selection, f"{task}.csv"), own.shape[1], origin).units
            for task, own in included.items()
        }
        write_matrix(output, forecast(circuits, included))
